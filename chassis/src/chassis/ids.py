"""UUIDv7 (RFC 9562): ids that sort by creation time."""

import os
import random
import time
import uuid

_VARIANT = 0b10 << 62
_VERSION = 7 << 76


def uuid7(now_ms: int | None = None) -> uuid.UUID:
    """Returns a new id: 48 bits of Unix milliseconds, then 74 random bits.

    Args:
        now_ms: The Unix time in milliseconds; None for now.
    """
    milliseconds = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return uuid7_of(milliseconds, os.urandom(10))


def uuid7_of(milliseconds: int, chance: bytes) -> uuid.UUID:
    """Returns the id with this Unix time and 74 bits of the first 10 bytes."""
    random = int.from_bytes(chance[:10], "big")
    high, low = random >> 62 & 0xFFF, random & 0x3FFF_FFFF_FFFF_FFFF
    return uuid.UUID(int=milliseconds << 80 | _VERSION | high << 64 | _VARIANT | low)


def request_id() -> str:
    """Returns a new UUIDv7 as text. It is predictable: use it only to name requests.

    Without the system call and the object it costs a quarter of `str(uuid7())`: 4 % of a cached read.
    """
    chance = random.getrandbits(74)
    high, low = chance >> 62, chance & 0x3FFF_FFFF_FFFF_FFFF
    text = f"{time.time_ns() // 1_000_000 << 80 | _VERSION | high << 64 | _VARIANT | low:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def unix_milliseconds(identifier: uuid.UUID) -> int:
    """Returns the Unix time in milliseconds of a UUIDv7."""
    return identifier.int >> 80

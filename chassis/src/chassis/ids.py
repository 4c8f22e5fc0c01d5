"""UUIDv7 (RFC 9562): ids that sort by the time of their making."""

import os
import time
import uuid

_VARIANT = 0b10 << 62
_VERSION = 7 << 76


def uuid7(now_ms: int | None = None) -> uuid.UUID:
    """Returns a new id: 48 bits of Unix milliseconds, then 74 random bits.

    Args:
        now_ms: The Unix time in milliseconds to carry; the system's when None.
    """
    milliseconds = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    random = int.from_bytes(os.urandom(10), "big")
    high, low = random >> 62 & 0xFFF, random & 0x3FFF_FFFF_FFFF_FFFF
    return uuid.UUID(int=milliseconds << 80 | _VERSION | high << 64 | _VARIANT | low)


def unix_milliseconds(identifier: uuid.UUID) -> int:
    """Returns the Unix time in milliseconds that a UUIDv7 carries."""
    return identifier.int >> 80

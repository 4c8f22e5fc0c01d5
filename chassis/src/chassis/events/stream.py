"""The Redis stream of all events: its key, its entries and its ids."""

from collections.abc import Mapping, Sequence
from typing import Any

import hiredis

from chassis.redis_connection import RedisConnection

STREAM = "vestibule:events"
FIELD = b"event"
SIGNATURE = b"signature"
RETENTION_SECONDS = 24 * 60 * 60

_AHEAD_MILLISECONDS_MAX = 60 * 60 * 1000
"""More than Redis' clock may have been set back."""

Entry = tuple[bytes, dict[bytes, bytes]]


async def look(redis: RedisConnection, identifier: str | None) -> tuple[int, bool]:
    """Returns the time by Redis' clock in milliseconds, and whether the stream still has an entry.

    An entry that is old enough to be trimmed counts as still there, and so does None. Both are read in one
    round trip, since every process looks after each heartbeat.
    """
    if identifier is None:
        (time,) = await redis.ask(("TIME",))
        return milliseconds(time), True
    time, found = await redis.ask(("TIME",), ("XRANGE", STREAM, identifier, identifier))
    now = milliseconds(time)
    return now, bool(found) or order(identifier)[0] < now - RETENTION_SECONDS * 1000


def milliseconds(time: Sequence[bytes | int]) -> int:
    """Returns a reply to TIME, seconds and microseconds, in milliseconds."""
    seconds, microseconds = time
    return int(seconds) * 1000 + int(microseconds) // 1000


def is_ahead(identifier: str, now: int) -> bool:
    """Whether an entry's id lies implausibly far after `now`, Redis' time in milliseconds."""
    return order(identifier)[0] > now + _AHEAD_MILLISECONDS_MAX


def is_exhausted(error: object) -> bool:
    """Whether a stream accepts nothing more because an entry has the last possible id."""
    return isinstance(error, hiredis.ReplyError) and "exhausted the last possible" in str(error)


def entry_id(milliseconds: int) -> str:
    """Returns the id before all entries of a Unix time in milliseconds."""
    return f"{milliseconds}-0"


def order(identifier: bytes | str) -> tuple[int, int]:
    """Returns an entry's id as numbers, which sort like the ids."""
    text = identifier.decode() if isinstance(identifier, bytes) else identifier
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or 0)


def read(answer: Any, key: str = STREAM) -> list[Entry]:
    """Returns the entries of one stream in a reply to XREAD or XREADGROUP, in RESP2."""
    for name, found in answer or ():
        if name == key.encode():
            return entries(found)
    return []


def entries(found: Any) -> list[Entry]:
    """Returns entries of a reply; one that was trimmed while it was pending has no fields."""
    return [(identifier, pairs(values or ())) for identifier, values in found]


def pairs(values: Sequence[Any]) -> dict[bytes, Any]:
    """Returns what Redis writes as names and values in turn."""
    return dict(zip(values[::2], values[1::2], strict=True))


def flat(fields: Mapping[bytes, Any]) -> list[Any]:
    """Returns fields as Redis takes them: names and values in turn."""
    return [each for field in fields.items() for each in field]

"""The Redis stream of all events: its key, its entries and its ids."""

from redis.asyncio import Redis
from redis.exceptions import ResponseError

STREAM = "vestibule:events"
FIELD = b"event"
SIGNATURE = b"signature"
RETENTION_SECONDS = 24 * 60 * 60

_AHEAD_MILLISECONDS_MAX = 60 * 60 * 1000
"""More than Redis' clock may have been set back."""

Entry = tuple[bytes, dict[bytes, bytes]]


async def now_milliseconds(redis: Redis) -> int:
    """Returns the time by Redis' clock, which writers and readers share, in milliseconds."""
    return _milliseconds(await redis.time())


async def look(redis: Redis, identifier: str | None) -> tuple[int, bool]:
    """Returns the time by Redis' clock in milliseconds, and whether the stream still has an entry.

    An entry that is old enough to be trimmed counts as still there, and so does None. Both are read in one
    round trip, since every process looks after each heartbeat.
    """
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.time()
        if identifier is not None:
            pipeline.xrange(STREAM, identifier, identifier)
        time, *found = await pipeline.execute()
    now = _milliseconds(time)
    is_there = identifier is None or bool(found[0]) or order(identifier)[0] < now - RETENTION_SECONDS * 1000
    return now, is_there


def is_ahead(identifier: str, now: int) -> bool:
    """Whether an entry's id lies implausibly far after `now`, Redis' time in milliseconds."""
    return order(identifier)[0] > now + _AHEAD_MILLISECONDS_MAX


def is_exhausted(error: ResponseError) -> bool:
    """Whether a stream accepts nothing more because an entry has the last possible id."""
    return "exhausted the last possible" in str(error)


def entry_id(milliseconds: int) -> str:
    """Returns the id before all entries of a Unix time in milliseconds."""
    return f"{milliseconds}-0"


def order(identifier: bytes | str) -> tuple[int, int]:
    """Returns an entry's id as numbers, which sort like the ids."""
    text = identifier.decode() if isinstance(identifier, bytes) else identifier
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or 0)


def entries(answer: object, key: str = STREAM) -> list[Entry]:
    """Returns the entries of one stream in an XREAD or XREADGROUP answer, in RESP2 or RESP3."""
    if not answer:
        return []
    if isinstance(answer, dict):
        return [entry for chunk in answer.get(key.encode(), []) for entry in chunk]
    if isinstance(answer, list):
        return [entry for name, found in answer if name == key.encode() for entry in found]
    raise TypeError("unknown answer to XREAD")


def _milliseconds(time: tuple[int, int]) -> int:
    seconds, microseconds = time
    return int(seconds) * 1000 + int(microseconds) // 1000

"""The pulse: by which a service says, several times a second, that its outbox holds nothing back.

A stream that can be read and brings nothing may mean that nothing happened, or that the
relay cannot reach it. Whoever must know the difference follows the relay's pulse.
"""

from collections.abc import Sequence

from redis.asyncio import Redis

from chassis.events.stream import Entry, order

BEAT_SECONDS = 0.25
"""How often a relay beats."""

_KEPT = 4
_SINCE = b"since"


def key(source: str) -> str:
    """Returns where a service's pulse is felt."""
    return f"vestibule:pulse:{source}"


async def moment(redis: Redis) -> int:
    """Returns the time by Redis' own clock, in milliseconds: the one clock that both sides read."""
    seconds, microseconds = await redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


async def beat(redis: Redis, source: str, since: int) -> None:
    """Says that everything committed before a `moment` is on the stream."""
    await redis.xadd(key(source), {_SINCE: since}, maxlen=_KEPT, approximate=False)


def delay_seconds(beats: Sequence[Entry]) -> float:
    """Returns how long before it came the latest beat was true."""
    identifier, fields = beats[-1]
    return max(0.0, (order(identifier)[0] - int(fields[_SINCE])) / 1000)

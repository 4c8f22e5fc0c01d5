"""Claims: which instance of a service handles an event, and for how long without a sign of life."""

from collections.abc import Sequence

from chassis.events import stream
from chassis.redis_connection import RedisConnection

_RELEASED_MAX = 128
_LONG_AGO = 24 * 3600_000


async def renew(redis: RedisConnection, group: str, name: str, identifiers: Sequence[bytes]) -> None:
    """Gives a sign of life for events, so that no other instance claims them."""
    await redis.ask(("XCLAIM", stream.STREAM, group, name, 0, *identifiers, "JUSTID"))


async def release(redis: RedisConnection, group: str, name: str) -> None:
    """Makes an instance's unfinished events claimable at once."""
    place = (stream.STREAM, group)
    (pending,) = await redis.ask(("XPENDING", *place, "-", "+", _RELEASED_MAX, name))
    if pending:
        identifiers = [identifier for identifier, *_ in pending]
        await redis.ask(("XCLAIM", *place, name, 0, *identifiers, "IDLE", _LONG_AGO, "JUSTID"))
    else:
        await redis.ask(("XGROUP", "DELCONSUMER", *place, name))

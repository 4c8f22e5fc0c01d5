"""The pulse: by which a service says, several times a second, that its outbox holds nothing back.

A stream that can be read and brings nothing may mean that nothing happened, or that the
relay cannot reach it. Whoever must know the difference follows the relay's pulse. Each beat is
signed and says by Redis' clock since when it holds: sent again, it is as old as it was.
"""

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from chassis.events.stream import SIGNATURE, Entry, is_exhausted
from chassis.identity.service_keys import ServiceKeys

INTERVAL_SECONDS = 0.25
"""How often a relay heartbeats."""

_KEPT = 4
_SINCE = b"since"
_PURPOSE = "heartbeat"
_LOOKED_AT_MAX = 8
"""Of heartbeats that come together, the latest are looked at; more are not the relay's."""


def key(source: str) -> str:
    """Returns where a service's pulse is felt."""
    return f"vestibule:pulse:{source}"


async def now_milliseconds(redis: Redis) -> int:
    """Returns the time by Redis' own clock, in milliseconds: the one clock that both sides read."""
    seconds, microseconds = await redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


async def send(redis: Redis, keys: ServiceKeys, since: int) -> None:
    """Says that everything committed before a `moment` is on the stream."""
    fields = {_SINCE: since, SIGNATURE: keys.sign(_PURPOSE, _message(keys.service, since))}
    try:
        await redis.xadd(key(keys.service), fields, maxlen=_KEPT, approximate=False)  # type: ignore[arg-type]
    except ResponseError as error:
        if not is_exhausted(error):
            raise
        # Its readers look from the beginning when they have heard nothing for a while.
        await redis.unlink(key(keys.service))
        await redis.xadd(key(keys.service), fields, maxlen=_KEPT, approximate=False)  # type: ignore[arg-type]


def watermark(heartbeats: Sequence[Entry], source: str, keys: ServiceKeys) -> int | None:
    """Returns the latest `moment` that the source's heartbeats speak of; None when none is the source's."""
    for _, fields in reversed(heartbeats[-_LOOKED_AT_MAX:]):
        try:
            since = int(fields[_SINCE])
        except (KeyError, ValueError):
            continue
        signature = fields.get(SIGNATURE)
        if signature is None and keys.shared_key is not None:
            return since
        if keys.is_signed_by(source, _PURPOSE, _message(source, since), signature or b""):
            return since
    return None


def _message(source: str, since: int) -> bytes:
    return f"{source}\0{since}".encode()

"""Heartbeats of auth-service's outbox relay: a signed watermark, several times per second.

A readable stream without events may mean that nothing happened, or that the relay cannot reach it; the
heartbeat shows which. Its watermark is a time by Redis' clock: everything committed before it is on the
stream. A replayed heartbeat is therefore as old as the original.
"""

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from chassis.events.stream import SIGNATURE, Entry, is_exhausted
from chassis.identity.service_keys import ServiceKeys

INTERVAL_SECONDS = 0.4
"""Between two heartbeats: readers are up to date while the latest is younger than 0.8 s
(`chassis.auth_client.revocation_feed`), and each heartbeat wakes every process."""

_STORED_MAX = 4
_SINCE = b"since"
_PURPOSE = "heartbeat"
_VERIFIED_MAX = 8
"""Of heartbeats that arrive together, only the latest are verified: a relay sends no more."""


def key(source: str) -> str:
    """Returns the Redis key of a service's heartbeats. Its name is part of deployed ACLs."""
    return f"vestibule:pulse:{source}"


async def send(redis: Redis, keys: ServiceKeys, since: int) -> None:
    """Sends a heartbeat: everything committed before `since` is on the stream."""
    fields = {_SINCE: since, SIGNATURE: keys.sign(_PURPOSE, _message(keys.service, since))}
    try:
        await redis.xadd(key(keys.service), fields, maxlen=_STORED_MAX, approximate=False)  # type: ignore[arg-type]
    except ResponseError as error:
        if not is_exhausted(error):
            raise
        # Readers start from the beginning when they have received nothing for a while.
        await redis.unlink(key(keys.service))
        await redis.xadd(key(keys.service), fields, maxlen=_STORED_MAX, approximate=False)  # type: ignore[arg-type]


def watermark(heartbeats: Sequence[Entry], source: str, keys: ServiceKeys) -> int | None:
    """Returns the latest watermark that the source has signed; None if there is none."""
    for _, fields in reversed(heartbeats[-_VERIFIED_MAX:]):
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

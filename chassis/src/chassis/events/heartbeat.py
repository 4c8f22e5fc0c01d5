"""Heartbeats of auth-service's outbox relay: a signed watermark, several times per second.

A readable stream without events may mean that nothing happened, or that the relay cannot reach it; the
heartbeat shows which. Its watermark is a time by Redis' clock: everything committed before it is on the
stream. A replayed heartbeat is therefore as old as the original.
"""

from collections.abc import Sequence

import hiredis

from chassis.events.stream import SIGNATURE, Entry, is_exhausted
from chassis.identity.service_keys import ServiceKeys
from chassis.redis_connection import RedisConnection

INTERVAL_SECONDS = 0.4
"""Between two heartbeats: readers are up to date while the latest is younger than 0.8 s
(`chassis.auth_client.revocation_feed`), and each heartbeat wakes every process."""

_STORED_MAX = 4
_SINCE = b"since"
_PURPOSE = "heartbeat"
_VERIFIED_MAX = 8
"""Of heartbeats that arrive together, only the latest are verified: a relay sends no more."""


def key(source: str) -> str:
    """Returns the Redis key of a service's heartbeats, by an older word that deployed ACLs contain."""
    return f"vestibule:pulse:{source}"


async def send(redis: RedisConnection, keys: ServiceKeys, since: int) -> None:
    """Sends a heartbeat: everything committed before `since` is on the stream."""
    signature = keys.sign(_PURPOSE, _message(keys.service, since))
    limit = ("MAXLEN", "=", _STORED_MAX)
    (sent,) = await redis.try_all(
        ("XADD", key(keys.service), *limit, "*", _SINCE, since, SIGNATURE, signature)
    )
    if is_exhausted(sent):
        # The next one makes the key again; readers start from its beginning when they have received nothing
        # for a while.
        await redis.ask(("UNLINK", key(keys.service)))
    elif isinstance(sent, hiredis.ReplyError):
        raise sent


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

"""Heartbeats of auth-service's outbox relay: a signed watermark, several times per second.

They are sent only while some process relies on them, since each one wakes every process: a process requests
them while it authenticates tokens, and introspects those that come before the first heartbeat.

A readable stream without events may mean that nothing happened, or that the relay cannot reach it; the
heartbeat shows which. Its watermark is a time by Redis' clock: everything committed before it is on the
stream. A replayed heartbeat is therefore as old as the original.
"""

from collections.abc import Callable, Sequence
from time import monotonic

import hiredis

from chassis.events.stream import SIGNATURE, Entry, is_exhausted
from chassis.identity.service_keys import ServiceKeys
from chassis.redis_connection import RedisConnection

INTERVAL_SECONDS = 0.4
"""Between two heartbeats: readers are up to date while the latest is younger than 0.8 s
(`chassis.auth_client.revocation_feed`)."""

REQUESTED_SECONDS = 30.0
"""How long a request holds: three times as long as the pause between two requests of one process."""

_STORED_MAX = 4
_SINCE = b"since"
_PURPOSE = "heartbeat"
_VERIFIED_MAX = 8
"""Of heartbeats that arrive together, only the latest are verified: a relay sends no more."""


def key(source: str) -> str:
    """Returns the Redis key of a service's heartbeats, by an older word that deployed ACLs contain."""
    return f"vestibule:pulse:{source}"


class Sender:
    """Sends heartbeats while they are requested.

    Args:
        keys: The service's keys.
        wake: Called by the first request for a while: a heartbeat is waited for.
    """

    def __init__(self, keys: ServiceKeys, wake: Callable[[], None]) -> None:
        self._keys = keys
        self._wake = wake
        self._until = float("-inf")
        self._are_stored = True

    def request(self) -> None:
        """Takes a request."""
        now = monotonic()
        if now >= self._until:
            self._wake()
        self._until = now + REQUESTED_SECONDS

    async def turn(self, redis: RedisConnection, since: int) -> bool:
        """Sends the next heartbeat, as `send` does; returns False when none is requested any more.

        The last ones are removed then: readers, to whom none have come for a while, read from the first on.
        """
        is_requested = monotonic() < self._until
        if is_requested:
            await send(redis, self._keys, since)
        elif self._are_stored:
            await redis.ask(("UNLINK", key(self._keys.service)))
        self._are_stored = is_requested
        return is_requested


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

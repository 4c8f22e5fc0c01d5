"""Keeps a `RevocationSet` true: from auth-service's Postgres first, then from the stream.

What is remembered of API keys is forgotten by the same events.
"""

from typing import Protocol

import structlog
from vestibule.events.v1.events_pb2 import Event

from chassis.backoff import Backoff
from chassis.errors import ServiceError
from chassis.identity.api_key_memory import ApiKeyMemory
from chassis.identity.authority import Authority
from chassis.identity.revocation import RevocationSet

log = structlog.get_logger()

FRESH_SECONDS = 0.8
"""How far behind auth-service memory may be. A revocation must be everywhere within 1 s."""


class EventSource(Protocol):
    """What a feed needs to know of the stream's reader; `chassis.events.tail.Tail` is one."""

    @property
    def silent_seconds(self) -> float:
        """How long ago everything on the stream had been read; infinite before the first time."""
        ...

    @property
    def behind_seconds(self) -> float:
        """How long ago everything had been read that auth-service had committed."""
        ...


class RevocationFeed:
    """Applies what the stream brings, and knows when that is not enough.

    The stream's reader calls `on_event` with each event and awaits `on_lost` when it may
    have missed some, before it reads on.
    """

    def __init__(self, revocations: RevocationSet, api_keys: ApiKeyMemory, authority: Authority) -> None:
        self._revocations = revocations
        self._api_keys = api_keys
        self._authority = authority
        self._source: EventSource | None = None
        self._taken = False

    @property
    def ready(self) -> bool:
        """Whether the list in force has been taken from auth-service at least once."""
        return self._taken

    @property
    def fresh(self) -> bool:
        """Whether the set holds every revocation older than a second. If not, ask auth-service."""
        return self._taken and self._source is not None and self._source.behind_seconds < FRESH_SECONDS

    @property
    def readable(self) -> bool:
        """Whether the set holds every revocation that has come to the stream."""
        return self._taken and self._source is not None and self._source.silent_seconds < FRESH_SECONDS

    async def start(self, source: EventSource) -> None:
        """Takes the list from auth-service, trying until it comes, and trusts the stream from then on."""
        self._source = source
        backoff = Backoff(limit_seconds=2.0)
        while True:
            try:
                await self.on_lost()
            except ServiceError as error:
                log.warning("revocations cannot be fetched", reason=error.reason)
                await backoff.pause()
            else:
                return

    def on_event(self, event: Event) -> bool:
        """Applies an event, from the stream or from a call's answer; says whether it revokes anything."""
        if not event.HasField("tokens_revoked"):
            return False
        self._revocations.apply(event.tokens_revoked)
        self._api_keys.forget(event.tokens_revoked)
        return True

    async def on_lost(self) -> None:
        """Takes the list in force from auth-service: events may be missing.

        Raises:
            Unavailable: auth-service cannot be reached.
        """
        for revoked in await self._authority.revocations():
            self._revocations.apply(revoked)
        self._api_keys.forget_all()
        self._taken = True

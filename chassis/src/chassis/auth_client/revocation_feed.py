"""Keeps a `RevocationSet` up to date: from auth-service at first, then from the event stream.

The same events evict cached API keys.
"""

import asyncio
import math
from time import monotonic
from typing import Protocol

import structlog
from vestibule.events.v1.events_pb2 import Event, TokensRevoked

from chassis.auth_client.api_key_cache import ApiKeyCache
from chassis.auth_client.client import AuthClient
from chassis.auth_client.revocations import RevocationSet
from chassis.backoff import Backoff
from chassis.errors import ServiceError

log = structlog.get_logger()

FRESH_SECONDS = 0.8
"""How far the revocations may lag behind auth-service. Every process must know one within 1 s."""


REQUEST_HEARTBEATS_SECONDS = 10.0
"""Between two requests of one process: three of them before heartbeats end (`chassis.events.heartbeat`)."""


class EventSource(Protocol):
    """The reader of the event stream, as a feed sees it; `chassis.events.tail.Tail` is one."""

    @property
    def silent_seconds(self) -> float:
        """Since the stream was last read to its end; infinite before the first time."""
        ...

    @property
    def behind_seconds(self) -> float:
        """Since everything that auth-service had committed was read; infinite before the first time."""
        ...


class RevocationFeed:
    """Applies revocations from the stream, and knows whether they are complete.

    The stream's reader calls `on_event` with each event, and awaits `on_lost` before it reads on after
    events may have been lost.
    """

    def __init__(self, revocations: RevocationSet, api_keys: ApiKeyCache, client: AuthClient) -> None:
        self._revocations = revocations
        self._api_keys = api_keys
        self._client = client
        self._source: EventSource | None = None
        self._fetched_at = float("-inf")
        self._caught_up_at = float("-inf")
        self._relied_on = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether the revocations in force have been fetched at least once."""
        return self._fetched_at > float("-inf")

    @property
    def fresh(self) -> bool:
        """Whether the set holds every revocation older than a second. If not, introspect.

        The caller relies on heartbeats, which are requested because of it.
        """
        self._relied_on.set()
        return self.ready and self._source is not None and self._source.behind_seconds < FRESH_SECONDS

    @property
    def unknown_seconds(self) -> float:
        """For how long there may have been revocations that the set lacks; infinite before the first fetch.

        It counts what `catch_up` has brought. The caller relies on heartbeats, as with `fresh`.
        """
        self._relied_on.set()
        return monotonic() - max(self._known_at, self._caught_up_at)

    @property
    def complete_without_auth_service(self) -> bool:
        """Whether the set holds every revocation that auth-service has acknowledged, if none runs any more.

        It holds those on the stream while that can be read. An auth-service that answered without sending
        heartbeats may have acknowledged others, which it could not publish.
        """
        if not self.ready or self._source is None or self._source.silent_seconds >= FRESH_SECONDS:
            return False
        return self._client.answered_at - self._known_at < FRESH_SECONDS

    async def start(self, source: EventSource) -> None:
        """Fetches the revocations in force, retrying until it succeeds; from then on the stream counts."""
        self._source = source
        backoff = Backoff(limit_seconds=2.0)
        while True:
            try:
                await self.on_lost()
            except ServiceError as error:
                log.warning("revocations cannot be fetched; retrying", error=str(error.__cause__ or error))
                await backoff.pause()
            else:
                return

    async def request_heartbeats(self) -> None:
        """Requests heartbeats while the set is relied on, until cancelled.

        A request that fails is not repeated: tokens are introspected meanwhile, which requests them too.
        """
        while True:
            await self._relied_on.wait()
            self._relied_on.clear()
            try:
                await self._client.request_heartbeats()
            except ServiceError as error:
                log.debug("heartbeats could not be requested", error=str(error.__cause__ or error))
            await asyncio.sleep(REQUEST_HEARTBEATS_SECONDS)

    def on_event(self, event: Event) -> bool:
        """Applies an event from the stream or from a response; returns whether it revokes anything."""
        if not event.HasField("tokens_revoked"):
            return False
        self._revocations.apply(event.tokens_revoked)
        self._api_keys.evict(event.tokens_revoked)
        return True

    async def on_lost(self) -> None:
        """Fetches the revocations in force again: events may have been lost.

        Raises:
            Unavailable: auth-service cannot be reached.
        """
        asked_at = monotonic()
        for revoked in await self._client.revocations():
            self._revocations.apply(revoked)
        self._api_keys.clear()
        self._fetched_at = asked_at

    async def catch_up(self, *, within_seconds: float) -> list[TokensRevoked]:
        """Fetches and returns the revocations that the set lacks, for what cannot wait for the stream.

        One question, however many tokens it is asked for.

        Raises:
            Unavailable: auth-service cannot be reached, or has not answered in time.
        """
        asked_at = monotonic()
        latest = await self._client.latest_revocations(within_seconds=within_seconds)
        unknown = [revoked for revoked in latest if self._revocations.apply(revoked)]
        for revoked in unknown:
            self._api_keys.evict(revoked)
        # Not `_fetched_at`: what auth-service acknowledges after it is not on the stream.
        self._caught_up_at = asked_at
        return unknown

    @property
    def _known_at(self) -> float:
        """When the set was complete, by what the stream says or the fetch after a loss."""
        behind_seconds = math.inf if self._source is None else self._source.behind_seconds
        return max(self._fetched_at, monotonic() - behind_seconds)

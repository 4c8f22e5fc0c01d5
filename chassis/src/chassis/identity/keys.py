"""The public keys that verify tokens: fetched ahead of need, and kept while auth-service is down."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from prometheus_client import Gauge

from chassis.backoff import Backoff
from chassis.errors import ServiceError, TokenInvalid, Unavailable
from chassis.single_flight import SingleFlight

log = structlog.get_logger()

REFRESH_SECONDS = 300.0
COOLDOWN_SECONDS = 30.0
RETRY_SECONDS = 1.0

_KEYS = Gauge("verification_keys", "Public keys in memory that verify tokens.")
_AGE = Gauge(
    "verification_keys_age_seconds",
    "Since the keys were last fetched, which happens every 5 minutes. +Inf before the first time.",
)

Fetch = Callable[[], Awaitable[Mapping[str, EllipticCurvePublicKey]]]


class KeyCache:
    """Holds the published keys.

    A fetch that succeeds replaces them all, so that retired keys go; one that fails changes nothing. An
    unknown `kid` causes a fetch, shared by all that wait for it and at most every half minute: forged
    tokens must not become load on auth-service.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        cooldown_seconds: float = COOLDOWN_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._fetch = fetch
        self._refresh_seconds = refresh_seconds
        self._cooldown_seconds = cooldown_seconds
        self._retry_seconds = retry_seconds
        self._keys: dict[str, EllipticCurvePublicKey] = {}
        self._fetching: SingleFlight[None, None] = SingleFlight()
        self._next_miss_at = float("-inf")
        self._last_failed = True
        self._fetched_at = float("-inf")
        _KEYS.set_function(lambda: len(self._keys))
        _AGE.set_function(lambda: monotonic() - self._fetched_at)

    @property
    def ready(self) -> bool:
        """Whether keys have ever been fetched."""
        return bool(self._keys)

    def get(self, kid: str) -> EllipticCurvePublicKey | None:
        """Returns a key from memory; the same object as long as the key is published."""
        return self._keys.get(kid)

    async def find(self, kid: str) -> EllipticCurvePublicKey:
        """Returns a key, fetching the keys if it is not in memory.

        Raises:
            TokenInvalid: no such key is published.
            Unavailable: it is not in memory and the keys cannot be fetched.
        """
        key = self._keys.get(kid)
        if key is None and (self._fetching.is_running(None) or monotonic() >= self._next_miss_at):
            await self._fetching.run(None, self._fetch_after_a_miss)
            key = self._keys.get(kid)
        if key is not None:
            return key
        if self._last_failed:
            raise Unavailable
        raise TokenInvalid

    async def run(self) -> None:
        """Fetches now, with back-off until it succeeds, then every few minutes until cancelled."""
        backoff = Backoff(limit_seconds=RETRY_SECONDS * 5)
        while True:
            await self._fetch_once()
            if self._last_failed:
                await backoff.pause()
            else:
                backoff.reset()
                await asyncio.sleep(self._refresh_seconds)

    async def _fetch_after_a_miss(self) -> None:
        try:
            await self._fetch_once()
        finally:
            wait = self._retry_seconds if self._last_failed else self._cooldown_seconds
            self._next_miss_at = monotonic() + wait

    async def _fetch_once(self) -> None:
        try:
            fetched = await self._fetch()
        except ServiceError as error:
            if not self._last_failed or not self._keys:
                log.warning(
                    "verification keys cannot be fetched; retrying", error=str(error.__cause__ or error)
                )
            self._last_failed = True
            return
        known = self._keys
        self._keys = {kid: known[kid] if known.get(kid) == key else key for kid, key in fetched.items()}
        self._last_failed = False
        self._fetched_at = monotonic()

"""The keys that verify tokens: fetched before they are needed, never forgotten by accident."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from prometheus_client import Gauge

from chassis.backoff import Backoff
from chassis.errors import ServiceError, TokenInvalid, Unavailable

log = structlog.get_logger()

REFRESH_SECONDS = 300.0
COOLDOWN_SECONDS = 30.0
RETRY_SECONDS = 1.0

_KEYS = Gauge("verification_keys", "Keys in memory that tokens are verified by.")
_AGE = Gauge(
    "verification_keys_age_seconds",
    "Since the keys were last fetched; they are every 5 minutes. +Inf before the first time.",
)

Fetch = Callable[[], Awaitable[Mapping[str, EllipticCurvePublicKey]]]


class KeyCache:
    """Holds the published keys.

    A fetch that succeeds replaces them, so that a retired key goes; one that fails changes
    nothing. An unknown `kid` is worth a fetch, once for all who wait and at most every half
    minute: forged tokens must not become a load on auth-service.
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
        self._fetching: asyncio.Task[None] | None = None
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
        """Returns a key, asking for it when it is not in memory.

        Raises:
            TokenInvalid: no such key is published.
            Unavailable: it is not in memory and nobody can be asked.
        """
        key = self._keys.get(kid)
        if key is None and (self._fetching is not None or monotonic() >= self._next_miss_at):
            await self._fetch_for_a_miss()
            key = self._keys.get(kid)
        if key is not None:
            return key
        if self._last_failed:
            raise Unavailable
        raise TokenInvalid

    async def run(self) -> None:
        """Fetches now, with back-off until it works, and again every few minutes, until cancelled."""
        backoff = Backoff(limit_seconds=RETRY_SECONDS * 5)
        while True:
            await self._fetch_once()
            if self._last_failed:
                await backoff.pause()
            else:
                backoff.reset()
                await asyncio.sleep(self._refresh_seconds)

    async def _fetch_for_a_miss(self) -> None:
        if self._fetching is None:
            # A context of its own: the first waiter's deadline is not the others'.
            self._fetching = asyncio.create_task(self._fetch_once(), context=contextvars.Context())
            self._fetching.add_done_callback(self._forget_task)
        await asyncio.shield(self._fetching)

    def _forget_task(self, _: "asyncio.Task[None]") -> None:
        self._fetching = None
        wait = self._retry_seconds if self._last_failed else self._cooldown_seconds
        self._next_miss_at = monotonic() + wait

    async def _fetch_once(self) -> None:
        try:
            fetched = await self._fetch()
        except ServiceError as error:
            if not self._last_failed or not self._keys:
                log.warning("keys cannot be fetched", reason=error.reason)
            self._last_failed = True
            return
        known = self._keys
        self._keys = {kid: known[kid] if known.get(kid) == key else key for kid, key in fetched.items()}
        self._last_failed = False
        self._fetched_at = monotonic()

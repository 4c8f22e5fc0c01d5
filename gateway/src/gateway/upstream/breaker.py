"""A circuit breaker per upstream: when nobody is there, calls are refused at once."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from chassis.errors import ServiceError, Unavailable
from chassis.grpc.errors import reached_nobody
from prometheus_client import Counter, Gauge

log = structlog.get_logger()

Result = TypeVar("Result")

FAILURES_TO_OPEN = 5
OPEN_SECONDS = 0.1

_OPEN = Gauge("gateway_breaker_open", "Whether calls to an upstream are refused at once.", ["upstream"])
_REFUSED = Counter(
    "gateway_breaker_refused_total", "Calls refused at once, since nobody was there.", ["upstream"]
)


class Breaker:
    """Opens after several calls in a row that reached nobody; then lets ten a second through.

    A service that restarts is the channel's concern, whose calls wait a moment for a connection. What a
    service itself refuses, for being too busy, shows that it is there.
    """

    def __init__(self, upstream: str) -> None:
        """Takes the upstream's name, for the log."""
        self._upstream = upstream
        self._failures = 0
        self._probe_at = 0.0
        self._gauge = _OPEN.labels(upstream)
        self._gauge.set(0)
        self._refused = _REFUSED.labels(upstream)

    async def call(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Makes a call, or refuses to.

        Raises:
            Unavailable: nobody is there, or was a moment ago.
            ServiceError: whatever the call raises.
        """
        if self._failures >= FAILURES_TO_OPEN:
            now = time.monotonic()
            if now < self._probe_at:
                self._refused.inc()
                raise Unavailable
            self._probe_at = now + OPEN_SECONDS
        try:
            result = await work()
        except ServiceError as error:
            if reached_nobody(error):
                self._failed()
            else:
                self._answered()
            raise
        if self._failures:
            self._answered()
        return result

    def _failed(self) -> None:
        self._failures += 1
        if self._failures == FAILURES_TO_OPEN:
            self._probe_at = time.monotonic() + OPEN_SECONDS
            self._gauge.set(1)
            log.warning("upstream is away", upstream=self._upstream)

    def _answered(self) -> None:
        if self._failures >= FAILURES_TO_OPEN:
            self._gauge.set(0)
            log.info("upstream is back", upstream=self._upstream)
        self._failures = 0

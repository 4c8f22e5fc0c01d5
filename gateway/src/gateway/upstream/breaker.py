"""A circuit breaker per upstream: while it cannot be reached, calls fail at once."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from chassis.errors import ServiceError, Unavailable
from chassis.grpc.errors import is_unreachable
from prometheus_client import Counter, Gauge

log = structlog.get_logger()

Result = TypeVar("Result")

FAILURES_TO_OPEN = 5
OPEN_SECONDS = 0.1

_OPEN = Gauge("gateway_breaker_open", "Whether calls to an upstream are refused at once.", ["upstream"])
_REFUSED = Counter(
    "gateway_breaker_refused_total",
    "Calls refused at once because the upstream could not be reached.",
    ["upstream"],
)


class Breaker:
    """Opens after several calls in a row that did not reach the upstream; then lets ten per second through.

    Restarts do not open it: a channel's calls wait briefly for a connection. A refusal by the service
    itself, such as for overload, shows that it can be reached.
    """

    def __init__(self, upstream: str) -> None:
        """`upstream`: the name for log and metrics."""
        self._upstream = upstream
        self._failures = 0
        self._probe_at = 0.0
        self._gauge = _OPEN.labels(upstream)
        self._gauge.set(0)
        self._refused = _REFUSED.labels(upstream)

    async def call(self, make: Callable[[], Awaitable[Result]]) -> Result:
        """Makes a call unless the breaker is open.

        Raises:
            Unavailable: the breaker is open.
            ServiceError: the call failed.
        """
        if self._failures >= FAILURES_TO_OPEN:
            now = time.monotonic()
            if now < self._probe_at:
                self._refused.inc()
                raise Unavailable
            self._probe_at = now + OPEN_SECONDS
        try:
            result = await make()
        except ServiceError as error:
            if is_unreachable(error):
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
            log.warning("upstream unreachable; calls fail at once", upstream=self._upstream)

    def _answered(self) -> None:
        if self._failures >= FAILURES_TO_OPEN:
            self._gauge.set(0)
            log.info("upstream reachable again", upstream=self._upstream)
        self._failures = 0

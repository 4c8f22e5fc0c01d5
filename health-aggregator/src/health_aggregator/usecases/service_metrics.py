"""Collecting the services' metrics for the metrics page."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import field, replace

from chassis.dataclass import dataclass

from chassis import ticks
from health_aggregator.domain.service_metrics import (
    WINDOW_SECONDS,
    MetricsSource,
    Reading,
    ServiceMetrics,
    service_metrics,
)

EVERY_SECONDS = 16.0
"""At one of the moments at which services are checked, since each scrape wakes one of them. A service takes
some 10 ms to write all of its metrics down."""

RECENT_SCRAPES = 20
"""Scrapes whose rates are kept: of five minutes."""

_READINGS = int(WINDOW_SECONDS / EVERY_SECONDS) + 1
_PROCESSES_MAX = 64


@dataclass(slots=True)
class CollectMetrics:
    """Keeps, in memory, the readings of the last minute and the rates of the last five.

    Attributes:
        present: The metrics of each service, as of the last scrape.
        scrapes: Number of scrapes.
    """

    source: MetricsSource
    present: Sequence[ServiceMetrics] = ()
    scrapes: int = 0
    _readings: dict[str, dict[str, deque[Reading]]] = field(default_factory=dict)
    _rates: dict[str, deque[float | None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Scrapes, until cancelled."""
        while True:
            await self.scrape()
            await asyncio.sleep(ticks.about(EVERY_SECONDS))

    async def scrape(self) -> None:
        """Scrapes every service once."""
        found = await self.source()
        now = time.monotonic()
        self._readings = {service: self._readings.get(service, {}) for service in found}
        self.present = [self._metrics(service, readings, now) for service, readings in found.items()]
        self.scrapes += 1

    def _metrics(self, service: str, present: Sequence[Reading], now: float) -> ServiceMetrics:
        processes = self._readings[service]
        for reading in present:
            processes.setdefault(reading.process, deque(maxlen=_READINGS)).append(reading)
        gone = [name for name, readings in processes.items() if now - readings[-1].at > WINDOW_SECONDS]
        for name in (*gone, *list(processes)[:-_PROCESSES_MAX]):
            processes.pop(name, None)
        metrics = service_metrics(service, present, processes.values(), now)
        rates = self._rates.setdefault(service, deque(maxlen=RECENT_SCRAPES))
        rates.append(metrics.requests_per_second)
        return replace(metrics, recent=tuple(rates))

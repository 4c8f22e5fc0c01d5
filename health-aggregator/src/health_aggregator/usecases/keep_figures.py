"""Asks the services for their metrics every few seconds and keeps what the page of figures draws."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from health_aggregator.domain.figures import WINDOW_SECONDS, Reading, ServiceFigures, figures
from health_aggregator.domain.ports import MetricsSource

EVERY_SECONDS = 5.0
LOOKS = 60
"""Remembered: five minutes."""

_READINGS = int(WINDOW_SECONDS / EVERY_SECONDS) + 1
_PROCESSES_MAX = 64


@dataclass(slots=True)
class KeepFigures:
    """Keeps the readings of the last minute and the rates of the last five; all of it in memory.

    Attributes:
        present: What is shown, by service, as of the last look.
        looks: How often was looked.
    """

    source: MetricsSource
    present: Sequence[ServiceFigures] = ()
    looks: int = 0
    _readings: dict[str, dict[str, deque[Reading]]] = field(default_factory=dict)
    _rates: dict[str, deque[float | None]] = field(default_factory=dict)

    async def __call__(self) -> None:
        """Looks, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> None:
        """Asks every service once."""
        told = await self.source()
        now = time.monotonic()
        self._readings = {service: self._readings.get(service, {}) for service in told}
        self.present = [self._figures(service, readings, now) for service, readings in told.items()]
        self.looks += 1

    def _figures(self, service: str, present: Sequence[Reading], now: float) -> ServiceFigures:
        processes = self._readings[service]
        for reading in present:
            processes.setdefault(reading.process, deque(maxlen=_READINGS)).append(reading)
        gone = [name for name, readings in processes.items() if now - readings[-1].at > WINDOW_SECONDS]
        for name in (*gone, *list(processes)[:-_PROCESSES_MAX]):
            processes.pop(name, None)
        found = figures(service, present, processes.values(), now)
        rates = self._rates.setdefault(service, deque(maxlen=LOOKS))
        rates.append(found.requests_per_second)
        return replace(found, recent=tuple(rates))

"""The history in memory, where there is no database: bounded, and lost with the process."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from health_aggregator.domain.history import Observation, Period, Resolution, sum_up
from health_aggregator.domain.state import Change

# Sums by minute take the most memory, so only an hour of them is kept.
KEPT = {
    Resolution.MINUTE: timedelta(hours=1),
    Resolution.HOUR: timedelta(days=2),
    Resolution.DAY: timedelta(days=90),
}
_CHANGES = 2000


class MemoryHistory:
    """`HistoryStore` that keeps sums and changes, but no single observations."""

    def __init__(self) -> None:
        self._periods: dict[Resolution, dict[tuple[datetime, str], Period]] = {
            each: {} for each in Resolution
        }
        self._changes: deque[Change] = deque(maxlen=_CHANGES)

    async def append(self, observations: Sequence[Observation], changes: Sequence[Change]) -> bool:
        """Adds observations to the sums, and changes."""
        for resolution, period in sum_up(observations):
            periods = self._periods[resolution]
            key = (period.starts_at, period.component)
            known = periods.get(key)
            periods[key] = period if known is None else known.plus(period)
        self._changes.extend(changes)
        return True

    async def prune(self, now: datetime) -> None:
        """Deletes old sums."""
        for resolution, periods in self._periods.items():
            oldest = resolution.start_of(now - KEPT[resolution])
            for key in [key for key in periods if key[0] < oldest]:
                del periods[key]

    async def periods(self, resolution: Resolution, since: datetime) -> list[Period]:
        """Returns sums, oldest first."""
        found = [period for period in self._periods[resolution].values() if period.starts_at >= since]
        return sorted(found, key=lambda period: (period.starts_at, period.component))

    async def changes(self, since: datetime, limit: int) -> list[Change]:
        """Returns changes, oldest first."""
        return [change for change in self._changes if change.at >= since][-limit:]

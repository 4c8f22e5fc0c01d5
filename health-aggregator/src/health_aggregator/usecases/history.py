"""Recording the history: results and changes are written in batches; a slow store delays no check."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import TypeVar

from chassis.clock import Clock
from chassis.dataclass import dataclass

from chassis import ticks
from health_aggregator.domain.board import Board
from health_aggregator.domain.check import CheckResult
from health_aggregator.domain.history import (
    AVAILABLE,
    HistoryStore,
    Incident,
    Observation,
    Period,
    Resolution,
    incidents,
)
from health_aggregator.domain.observer import Observer
from health_aggregator.domain.schedule import stale_after_seconds
from health_aggregator.domain.state import Change, State
from health_aggregator.domain.target import Target

DAYS = 90
_FLUSH_SECONDS = 5.0
_REFRESH_FLUSHES = 6
_BUFFERED = 100_000
_WRITTEN_AT_ONCE = 5_000
"""Rows of one write, so that none comes near the time that a statement may take."""
_RECENT = 60
_INCIDENT_CHANGES = 2000

Row = TypeVar("Row")


@dataclass(slots=True)
class RecordHistory(Observer):
    """Buffers results and changes, writes them every few seconds, and caches what the status page shows.

    While the store is down, the newest 100,000 observations stay in memory, and those of the failed write.

    Attributes:
        write_failed: Called with the error and the number of buffered observations.
        leading: Whether this aggregator is the writer; while the store is down, whether it was the last one.
        days: Sums of the last 90 days, by component and day, as last read.
    """

    board: Board
    store: HistoryStore
    clock: Clock
    write_failed: Callable[[Exception, int], None]
    leading: bool = True
    days: Mapping[str, Mapping[datetime, Period]] = field(default_factory=dict)
    _observations: deque[Observation] = field(default_factory=lambda: deque(maxlen=_BUFFERED))
    _changes: deque[Change] = field(default_factory=lambda: deque(maxlen=_BUFFERED))
    _writing: tuple[Sequence[Observation], Sequence[Change]] | None = None
    _log: deque[Change] = field(default_factory=lambda: deque(maxlen=_INCIDENT_CHANGES))
    _loaded: bool = False
    _seen_at: dict[str, float] = field(default_factory=dict)
    _recent: dict[str, deque[float | None]] = field(default_factory=dict)

    def checked(self, target: Target, result: CheckResult) -> None:
        """Buffers a result."""
        now = time.monotonic()
        before = self._seen_at.get(target.name, now)
        self._seen_at[target.name] = now
        damped = self.board.damped(target.name)
        covers = min(now - before, stale_after_seconds(target.cadence, damped))
        available = result.success if damped.state is State.FLAPPING else damped.state in AVAILABLE
        self._observations.append(
            Observation(
                target.name, self.clock.now(), result.success, available, covers, result.latency_seconds
            )
        )
        recent = self._recent.setdefault(target.name, deque(maxlen=_RECENT))
        recent.append(result.latency_seconds if result.success else None)

    def changed(self, changes: Sequence[Change]) -> None:
        """Buffers changes."""
        self._changes.extend(changes)
        self._log.extend(changes)

    def recent(self, name: str) -> Sequence[float | None]:
        """Returns the latencies in seconds of the last checks, oldest first; None for a failed one."""
        return tuple(self._recent.get(name, ()))

    async def run(self) -> None:
        """Writes and reads, until cancelled."""
        turn = 0
        while True:
            try:
                await self.flush()
                if turn % _REFRESH_FLUSHES == 0:
                    await self.refresh()
            except Exception as error:  # noqa: BLE001 - it is reported: checks go on without a history
                writing = 0 if self._writing is None else len(self._writing[0])
                self.write_failed(error, writing + len(self._observations))
            turn += 1
            await asyncio.sleep(ticks.about(_FLUSH_SECONDS))

    async def flush(self) -> None:
        """Writes what waits, first what the last write failed to.

        Raises:
            Unavailable: the store cannot be reached; what was not written still waits.
        """
        if self._writing is not None:
            await self._write(*self._writing)
        waiting = max(len(self._observations), len(self._changes))
        for _ in range(max(1, math.ceil(waiting / _WRITTEN_AT_ONCE))):
            # Taken out before the wait: a full buffer drops its oldest rows when more arrive meanwhile.
            await self._write(_take(self._observations), _take(self._changes))

    async def _write(self, observations: Sequence[Observation], changes: Sequence[Change]) -> None:
        self._writing = observations, changes
        self.leading = await self.store.append(observations, changes)
        self._writing = None

    async def refresh(self) -> None:
        """Prunes the store, and reads what the status page shows."""
        now = self.clock.now()
        if self.leading:
            await self.store.prune(now)
        since = Resolution.DAY.start_of(now - timedelta(days=DAYS - 1))
        days: dict[str, dict[datetime, Period]] = {}
        for period in await self.store.periods(Resolution.DAY, since):
            days.setdefault(period.component, {})[period.starts_at] = period
        self.days = days
        if not self._loaded:
            earlier = await self.store.changes(since, _INCIDENT_CHANGES)
            own = list(self._log)
            first = own[0].at if own else now
            self._log.clear()
            self._log.extend([change for change in earlier if change.at < first] + own)
            self._loaded = True

    def incidents(self) -> list[Incident]:
        """Returns the incidents of the last 90 days, newest first."""
        return incidents(tuple(self._log))


def _take(waiting: deque[Row]) -> list[Row]:
    return [waiting.popleft() for _ in range(min(len(waiting), _WRITTEN_AT_ONCE))]

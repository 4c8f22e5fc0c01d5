"""History: single observations, their sums over periods, changes, and incidents."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from chassis.dataclass import dataclass

from health_aggregator.domain.state import Change, State

AVAILABLE = frozenset({State.UP, State.SUSPECT})
_NO_INCIDENT = frozenset({State.UP, State.SUSPECT, State.DISABLED, State.UNKNOWN})
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Resolution(Enum):
    """Length of the periods over which observations are summed."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    def start_of(self, at: datetime) -> datetime:
        """Returns the start of the period that contains a time (UTC)."""
        start = at.replace(second=0, microsecond=0)
        if self is Resolution.MINUTE:
            return start
        start = start.replace(minute=0)
        return start if self is Resolution.HOUR else start.replace(hour=0)

    @property
    def length(self) -> timedelta:
        """Length of a period."""
        return {Resolution.MINUTE: _MINUTE, Resolution.HOUR: _HOUR, Resolution.DAY: _DAY}[self]


@dataclass(frozen=True, slots=True)
class Observation:
    """One result of a check, as stored in the history.

    Attributes:
        component: Its name.
        at: When.
        success: Whether the check succeeded.
        available: Whether the component counted as up, after damping.
        covers_seconds: Time since the previous observation, for which this one counts.
        latency_seconds: Duration of the check.
    """

    component: str
    at: datetime
    success: bool
    available: bool
    covers_seconds: float
    latency_seconds: float


@dataclass(frozen=True, slots=True)
class Period:
    """Observations of one component, summed over a period.

    Attributes:
        component: Its name.
        starts_at: Start of the period.
        checks: Number of checks.
        failures: Number of failed checks.
        covered_seconds: Time that was observed.
        available_seconds: Part of it in which the component counted as up.
        latency_seconds_sum: Sum over the checks.
        latency_seconds_max: The slowest check.
    """

    component: str
    starts_at: datetime
    checks: int = 0
    failures: int = 0
    covered_seconds: float = 0.0
    available_seconds: float = 0.0
    latency_seconds_sum: float = 0.0
    latency_seconds_max: float = 0.0

    @property
    def availability(self) -> float | None:
        """Available share of the observed time, from 0 to 1; None when nothing was observed."""
        return self.available_seconds / self.covered_seconds if self.covered_seconds else None

    def plus(self, other: "Period") -> "Period":
        """Returns the sum of both, with this one's name and start."""
        return Period(
            self.component,
            self.starts_at,
            self.checks + other.checks,
            self.failures + other.failures,
            self.covered_seconds + other.covered_seconds,
            self.available_seconds + other.available_seconds,
            self.latency_seconds_sum + other.latency_seconds_sum,
            max(self.latency_seconds_max, other.latency_seconds_max),
        )


def period_of(observation: Observation, resolution: Resolution) -> Period:
    """Returns the period of a single observation."""
    return Period(
        component=observation.component,
        starts_at=resolution.start_of(observation.at),
        checks=1,
        failures=int(not observation.success),
        covered_seconds=observation.covers_seconds,
        available_seconds=observation.covers_seconds if observation.available else 0.0,
        latency_seconds_sum=observation.latency_seconds,
        latency_seconds_max=observation.latency_seconds,
    )


def sum_up(observations: Iterable[Observation]) -> list[tuple[Resolution, Period]]:
    """Returns observations summed over minutes, hours and days, in a fixed order."""
    sums: dict[tuple[str, datetime, str], tuple[Resolution, Period]] = {}
    for observation in observations:
        for resolution in Resolution:
            period = period_of(observation, resolution)
            key = (resolution.value, period.starts_at, period.component)
            known = sums.get(key)
            sums[key] = (resolution, period if known is None else known[1].plus(period))
    return [sums[key] for key in sorted(sums)]


def availability(periods: Iterable[Period]) -> float | None:
    """Returns the available share over several periods; None when nothing was observed."""
    covered = available = 0.0
    for period in periods:
        covered += period.covered_seconds
        available += period.available_seconds
    return available / covered if covered else None


@dataclass(frozen=True, slots=True)
class Incident:
    """A time during which a component was failing.

    Attributes:
        component: Its name.
        started_at: When it began to fail.
        ended_at: When it was up again; None while it lasts.
        worst: Its worst state.
        error: What was wrong at the start.
        caused_by: The component whose failure explained it.
    """

    component: str
    started_at: datetime
    ended_at: datetime | None
    worst: State
    error: str | None
    caused_by: str | None


_RANK = {State.STALE: 0, State.FLAPPING: 1, State.RECOVERING: 2, State.DOWN: 3}


def incidents(changes: Sequence[Change]) -> list[Incident]:
    """Returns the incidents, newest first, in changes, oldest first."""
    ongoing: dict[str, Incident] = {}
    found: list[Incident] = []
    for change in changes:
        current = ongoing.pop(change.name, None)
        if change.state in _NO_INCIDENT:
            if current is not None:
                found.append(_with(current, ended_at=change.at))
        elif current is None:
            ongoing[change.name] = Incident(
                change.name, change.at, None, change.state, change.error, change.caused_by
            )
        else:
            ongoing[change.name] = _with(current, change=change)
    found.extend(ongoing.values())
    return sorted(found, key=lambda incident: (incident.started_at, incident.component), reverse=True)


def _with(incident: Incident, change: Change | None = None, ended_at: datetime | None = None) -> Incident:
    worst, cause = incident.worst, incident.caused_by
    if change is not None:
        worst = max(worst, change.state, key=lambda state: _RANK.get(state, 0))
        cause = cause or change.caused_by
    return Incident(incident.component, incident.started_at, ended_at, worst, incident.error, cause)


class HistoryStore(Protocol):
    """Stores observations for a day; their sums by minute, hour and day, and changes, for 90 days."""

    async def append(self, observations: Sequence[Observation], changes: Sequence[Change]) -> bool:
        """Adds observations and changes, all or nothing, and sums the observations up.

        After an error the same ones are to be appended next: they are not added twice.

        Returns:
            False when another aggregator is the writer, and nothing was added.

        Raises:
            Unavailable: the store cannot be reached, or its answer was lost: they may have been added.
        """
        ...

    async def prune(self, now: datetime) -> None:
        """Deletes what is older than it may be."""
        ...

    async def periods(self, resolution: Resolution, since: datetime) -> list[Period]:
        """Returns the sums of every component since a time, oldest first."""
        ...

    async def changes(self, since: datetime, limit: int) -> list[Change]:
        """Returns the newest changes since a time, oldest first."""
        ...

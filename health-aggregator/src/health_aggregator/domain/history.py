"""What is remembered: single observations, sums over periods, changes, and the incidents they make."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from health_aggregator.domain.state import Change, State

AVAILABLE = frozenset({State.UP, State.SUSPECT})
_NO_INCIDENT = frozenset({State.UP, State.SUSPECT, State.DISABLED, State.UNKNOWN})
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Resolution(Enum):
    """How long the periods are over which observations are summed."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    def start_of(self, at: datetime) -> datetime:
        """Returns the start of the period that holds a moment (UTC)."""
        start = at.replace(second=0, microsecond=0)
        if self is Resolution.MINUTE:
            return start
        start = start.replace(minute=0)
        return start if self is Resolution.HOUR else start.replace(hour=0)

    @property
    def length(self) -> timedelta:
        """How long a period is."""
        return {Resolution.MINUTE: _MINUTE, Resolution.HOUR: _HOUR, Resolution.DAY: _DAY}[self]


@dataclass(frozen=True, slots=True)
class Observation:
    """One result as history keeps it.

    Attributes:
        component: Its name.
        at: When.
        success: What the check alone found.
        available: What the component was called after damping: whether it counted as up.
        covers_seconds: The time since the observation before, for which this one stands.
        latency_seconds: How long the check took.
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
        checks: How many there were.
        failures: How many of them failed.
        covered_seconds: The time that was observed at all.
        available_seconds: The part of it in which the component counted as up.
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
        """The available share of the observed time, from 0 to 1; None when nothing was observed."""
        return self.available_seconds / self.covered_seconds if self.covered_seconds else None

    def plus(self, other: "Period") -> "Period":
        """Returns both together, under this one's name and start. Order does not matter for the sums."""
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
    """Returns the period that holds a single observation."""
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
    """Returns the available share over several periods, or None when nothing was observed."""
    covered = available = 0.0
    for period in periods:
        covered += period.covered_seconds
        available += period.available_seconds
    return available / covered if covered else None


@dataclass(frozen=True, slots=True)
class Incident:
    """A time in which a component was not what it should be.

    Attributes:
        component: Its name.
        started_at: When it was first called so.
        ended_at: When it was up again; None while it lasts.
        worst: The worst that it was called.
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
    """Folds changes, oldest first, into incidents, newest first."""
    open_ones: dict[str, Incident] = {}
    found: list[Incident] = []
    for change in changes:
        current = open_ones.pop(change.name, None)
        if change.state in _NO_INCIDENT:
            if current is not None:
                found.append(_with(current, ended_at=change.at))
        elif current is None:
            open_ones[change.name] = Incident(
                change.name, change.at, None, change.state, change.error, change.caused_by
            )
        else:
            open_ones[change.name] = _with(current, change=change)
    found.extend(open_ones.values())
    return sorted(found, key=lambda incident: (incident.started_at, incident.component), reverse=True)


def _with(incident: Incident, change: Change | None = None, ended_at: datetime | None = None) -> Incident:
    worst, cause = incident.worst, incident.caused_by
    if change is not None:
        worst = max(worst, change.state, key=lambda state: _RANK.get(state, 0))
        cause = cause or change.caused_by
    return Incident(incident.component, incident.started_at, ended_at, worst, incident.error, cause)

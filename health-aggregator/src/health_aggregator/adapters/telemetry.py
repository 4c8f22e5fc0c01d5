"""Metrics and log lines about checks and components."""

from collections.abc import Iterator, Sequence

import structlog
from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from health_aggregator.domain.board import Board
from health_aggregator.domain.check import CheckResult
from health_aggregator.domain.observer import Observer
from health_aggregator.domain.state import Change, State, Status
from health_aggregator.domain.target import Target

log = structlog.get_logger()

_DURATION = Histogram(
    "health_check_duration_seconds",
    "Duration of one check of a component.",
    ["component"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
_CHECKS = Counter("health_checks", "Checks, by outcome.", ["component", "outcome"])
_DISCARDED = Counter(
    "health_checks_discarded", "Failed checks that were ignored, because this process itself was suspended."
)
_FLIPS = Counter("health_component_flips", "Changes of a component's state.", ["component", "state"])


class Telemetry(Observer):
    """Counts and logs results and changes."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def checked(self, target: Target, result: CheckResult) -> None:
        """Counts a result."""
        _DURATION.labels(target.name).observe(result.latency_seconds)
        _CHECKS.labels(target.name, result.outcome.value).inc()

    def discarded(self, target: Target, result: CheckResult) -> None:
        """Counts and logs a failure that was ignored."""
        _DISCARDED.inc()
        log.warning(
            "check result ignored, process was suspended",
            component=target.name,
            seconds=round(result.latency_seconds, 3),
        )

    def failed(self, target: Target, error: Exception) -> None:
        """Logs an exception of a check."""
        log.error("check raised an exception", component=target.name, exc_info=error)

    def changed(self, changes: Sequence[Change]) -> None:
        """Counts and logs changes."""
        shown = {component.name: component for component in self._board.components()}
        for change in changes:
            _FLIPS.labels(change.name, change.state.value).inc()
            component = shown.get(change.name)
            log.info(
                "component changed",
                component=change.name,
                state=change.state.value,
                previous=change.previous.value,
                error=change.error,
                detail=component.detail if component else None,
                caused_by=component.caused_by if component else None,
            )


class StateCollector:
    """Exposes the state of every component, read from the board at each scrape."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Yields gauges: 1 for the state of each component, and for the status of the system."""
        states = GaugeMetricFamily(
            "health_component_state", "1 for the state that a component is in.", labels=["component", "state"]
        )
        for component in self._board.components():
            for state in State:
                states.add_metric([component.name, state.value], float(component.state is state))
        yield states
        statuses = GaugeMetricFamily(
            "health_system_status", "1 for the status of the whole system.", labels=["status"]
        )
        present = self._board.status()
        for status in Status:
            statuses.add_metric([status.value], float(status is present))
        yield statuses
        yield GaugeMetricFamily(
            "health_observer_cut_off",
            "1 while no target responds, so that health-aggregator's own network is suspected.",
            value=float(self._board.is_isolated),
        )

"""Metrics and log lines about what is watched."""

from collections.abc import Iterator, Sequence

import structlog
from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from health_aggregator.domain.board import Board
from health_aggregator.domain.state import Change, CheckResult, State, Status
from health_aggregator.domain.target import Target

log = structlog.get_logger()

_DURATION = Histogram(
    "health_check_duration_seconds",
    "How long one check of a component took.",
    ["component"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
_CHECKS = Counter("health_checks", "Checks made, by what they found.", ["component", "outcome"])
_DISCARDED = Counter("health_checks_discarded", "Failures not believed, since this process had slept.")
_FLIPS = Counter("health_component_flips", "Changes of a component's state.", ["component", "state"])


class Telemetry:
    """Hears every result and every change."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def heard(self, target: Target, result: CheckResult) -> None:
        """Counts a result."""
        _DURATION.labels(target.name).observe(result.latency_seconds)
        _CHECKS.labels(target.name, result.outcome.value).inc()

    def discarded(self, target: Target, result: CheckResult) -> None:
        """Counts a result that is not believed."""
        _DISCARDED.inc()
        log.warning("check discarded", component=target.name, seconds=round(result.latency_seconds, 3))

    def broken(self, target: Target, error: Exception) -> None:
        """Logs a fault of ours."""
        log.error("check broken", component=target.name, exc_info=error)

    def publish(self, changes: Sequence[Change]) -> None:
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
    """Tells Prometheus the state of every component, read from the board when asked."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Returns one gauge a component and state: 1 for the state it is in."""
        states = GaugeMetricFamily(
            "health_component_state", "1 for the state that a component is in.", labels=["component", "state"]
        )
        for component in self._board.components():
            for state in State:
                states.add_metric([component.name, state.value], float(component.state is state))
        yield states
        judgement = GaugeMetricFamily(
            "health_system_status", "1 for the judgement over all components.", labels=["status"]
        )
        present = self._board.status()
        for status in Status:
            judgement.add_metric([status.value], float(status is present))
        yield judgement
        yield GaugeMetricFamily(
            "health_observer_cut_off",
            "1 while nothing that is watched answers, and so the observer itself is in doubt.",
            value=float(self._board.cut_off),
        )

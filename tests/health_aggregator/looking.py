"""Looks once at a target, as the scheduler does."""

import time
from collections.abc import Sequence

from chassis.clock import SystemClock
from health_aggregator.domain.board import Board
from health_aggregator.domain.ports import Check
from health_aggregator.domain.state import Change, CheckResult
from health_aggregator.domain.target import Cadence, Target
from health_aggregator.usecases.run_check import RunCheck


class Notes:
    """Listens to everything and writes it down."""

    def __init__(self) -> None:
        self.results: list[CheckResult] = []
        self.discards: list[CheckResult] = []
        self.faults: list[Exception] = []
        self.changes: list[Change] = []

    def heard(self, target: Target, result: CheckResult) -> None:
        """Notes a result."""
        del target
        self.results.append(result)

    def discarded(self, target: Target, result: CheckResult) -> None:
        """Notes a result that was not believed."""
        del target
        self.discards.append(result)

    def broken(self, target: Target, error: Exception) -> None:
        """Notes a fault of a check."""
        del target
        self.faults.append(error)

    def publish(self, changes: Sequence[Change]) -> None:
        """Notes changes."""
        self.changes.extend(changes)


def a_target(name: str = "target", timeout_seconds: float = 1.0) -> Target:
    """Returns a target."""
    return Target(name, "http", cadence=Cadence(timeout_seconds=timeout_seconds))


async def look(check: Check, timeout_seconds: float = 1.0) -> CheckResult:
    """Returns what one look finds; fails when the check itself is at fault."""
    target, notes = a_target(timeout_seconds=timeout_seconds), Notes()
    board = Board("observer")
    board.retarget([target], now=time.monotonic(), at=SystemClock().now())
    await RunCheck(board, SystemClock(), notes, notes, notes)(target, check, 60.0)
    assert not notes.faults, notes.faults
    return notes.results[0]

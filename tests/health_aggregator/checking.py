"""Runs one check of a target, as the scheduler does."""

import time
from collections.abc import Sequence

from chassis.clock import SystemClock
from health_aggregator.domain.board import Board
from health_aggregator.domain.check import Check, CheckResult
from health_aggregator.domain.observer import Observer
from health_aggregator.domain.state import Change
from health_aggregator.domain.target import Cadence, Target
from health_aggregator.usecases.checks import RunCheck


class Recorder(Observer):
    """Records everything that it observes."""

    def __init__(self) -> None:
        self.results: list[CheckResult] = []
        self.discards: list[CheckResult] = []
        self.errors: list[Exception] = []
        self.changes: list[Change] = []

    def checked(self, target: Target, result: CheckResult) -> None:
        """Records a result."""
        self.results.append(result)

    def discarded(self, target: Target, result: CheckResult) -> None:
        """Records an ignored failure."""
        self.discards.append(result)

    def failed(self, target: Target, error: Exception) -> None:
        """Records an exception."""
        self.errors.append(error)

    def changed(self, changes: Sequence[Change]) -> None:
        """Records changes."""
        self.changes.extend(changes)


def a_target(name: str = "target", timeout_seconds: float = 1.0) -> Target:
    """Returns a target."""
    return Target(name, "http", cadence=Cadence(timeout_seconds=timeout_seconds))


async def check_once(check: Check, timeout_seconds: float = 1.0) -> CheckResult:
    """Returns the result of one check; fails when the check raised an exception."""
    target, recorder = a_target(timeout_seconds=timeout_seconds), Recorder()
    board = Board("self")
    board.retarget([target], now=time.monotonic(), at=SystemClock().now())
    await RunCheck(board, SystemClock(), recorder)(target, check, 60.0)
    assert not recorder.errors, recorder.errors
    return recorder.results[0]

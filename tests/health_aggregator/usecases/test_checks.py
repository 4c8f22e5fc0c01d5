"""Running and scheduling checks, reloading targets, and the feed of changes."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from chassis.clock import SystemClock
from health_aggregator.domain.board import Board
from health_aggregator.domain.check import CheckResult, Outcome
from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.state import Change, State
from health_aggregator.domain.target import Cadence, Target
from health_aggregator.usecases.change_feed import ChangeFeed
from health_aggregator.usecases.check_scheduler import CheckScheduler
from health_aggregator.usecases.checks import CheckAll, RunCheck
from health_aggregator.usecases.target_reload import ReloadTargets

from tests.chassis.waiting import until
from tests.health_aggregator.checking import Recorder, a_target

GOOD = CheckResult(Outcome.UP, 0.001)
BAD = CheckResult(Outcome.DOWN, 0.001, "refuses connections")
SLOW = Cadence(interval_seconds=60, timeout_seconds=1)


class FakeCheck:
    """A check with a given duration and result."""

    def __init__(self, result: CheckResult = GOOD, seconds: float = 0.0) -> None:
        self.result = result
        self.seconds = seconds
        self.runs = 0
        self.concurrent = 0
        self.most_concurrent = 0
        self.closed = False

    async def __call__(self, timeout_seconds: float) -> CheckResult:
        """Checks."""
        del timeout_seconds
        self.runs += 1
        self.concurrent += 1
        self.most_concurrent = max(self.most_concurrent, self.concurrent)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.concurrent -= 1
        return self.result

    async def close(self) -> None:
        """Records that it was closed."""
        self.closed = True


class Scheduling:
    """A scheduler of fake checks."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.board = Board("self")
        self.run_check = RunCheck(self.board, SystemClock(), self.recorder)
        self.checks: dict[str, FakeCheck] = {}
        self.wakes: dict[str, Callable[[], None]] = {}
        self.scheduler = CheckScheduler(self.board, self.run_check, self._make, SystemClock(), self.recorder)
        self.check_all = CheckAll(self.run_check, self.scheduler.checks, budget_seconds=0.5)

    def _make(self, target: Target, wake: Callable[[], None]) -> FakeCheck:
        self.wakes[target.name] = wake
        return self.checks.setdefault(target.name, FakeCheck())

    def state(self, name: str) -> State:
        """Returns a component's state."""
        return next(each.state for each in self.board.components() if each.name == name)


@pytest.fixture(name="scheduling")
def _scheduling() -> Scheduling:
    return Scheduling()


async def test_a_target_is_checked_once_at_a_time(scheduling: Scheduling) -> None:
    """A hundred callers share one check."""
    target, check = a_target(), FakeCheck(seconds=0.05)
    scheduling.board.retarget([target], now=time.monotonic(), at=SystemClock().now())
    await asyncio.gather(*(scheduling.run_check(target, check, 1.0) for _ in range(100)))

    assert (check.runs, check.most_concurrent) == (1, 1)


async def test_a_check_ends_at_the_shorter_timeout(scheduling: Scheduling) -> None:
    """The target's own, or the rest of the caller's budget."""
    target, check = a_target(timeout_seconds=0.05), FakeCheck(seconds=10)
    scheduling.board.retarget([target], now=time.monotonic(), at=SystemClock().now())
    for budget_seconds, words in ((5.0, "no answer within 0.05 s"), (0.02, "no answer within 0.02 s")):
        started = time.monotonic()
        await scheduling.run_check(target, check, budget_seconds)
        await until(lambda: check.concurrent == 0)

        assert time.monotonic() - started < 5
        assert words == scheduling.recorder.results[-1].error


async def test_an_exception_of_a_check(scheduling: Scheduling) -> None:
    """It is reported, and the target counts as down."""

    class Raising(FakeCheck):
        async def __call__(self, timeout_seconds: float) -> CheckResult:
            raise KeyError("secret")

    target = a_target()
    scheduling.board.retarget([target], now=time.monotonic(), at=SystemClock().now())
    await scheduling.run_check(target, Raising(), 1.0)

    assert scheduling.recorder.results[0].error == "the check itself failed"
    assert isinstance(scheduling.recorder.errors[0], KeyError)


async def test_a_failure_is_ignored_when_the_process_was_suspended(scheduling: Scheduling) -> None:
    """Such as on a laptop that was closed."""
    times = iter([100.0, 160.0])
    run_check = RunCheck(scheduling.board, SystemClock(), scheduling.recorder, monotonic=lambda: next(times))
    target = a_target()
    scheduling.board.retarget([target], now=100.0, at=SystemClock().now())
    await run_check(target, FakeCheck(BAD), 1.0)

    assert scheduling.recorder.results == []
    assert len(scheduling.recorder.discards) == 1


async def test_all_checks_run_once_for_concurrent_callers(scheduling: Scheduling) -> None:
    """In parallel, so they take as long as the slowest."""
    scheduling.checks = {str(number): FakeCheck(seconds=0.2) for number in range(50)}
    await scheduling.scheduler.set_targets([Target(name, "http", cadence=SLOW) for name in scheduling.checks])
    await until(lambda: all(check.runs == 1 and not check.concurrent for check in scheduling.checks.values()))
    started = time.monotonic()
    await asyncio.gather(*(scheduling.check_all() for _ in range(100)))
    took = time.monotonic() - started
    await scheduling.scheduler.close()

    assert {2} == {check.runs for check in scheduling.checks.values()}
    assert 0.2 <= took < 5


async def test_the_slowest_check_starts_first(scheduling: Scheduling) -> None:
    """So that it runs while the others do."""
    began: list[str] = []

    class Named(FakeCheck):
        def __init__(self, name: str) -> None:
            super().__init__(CheckResult(Outcome.UP, int(name) / 1000))
            self.name = name

        async def __call__(self, timeout_seconds: float) -> CheckResult:
            began.append(self.name)
            return await super().__call__(timeout_seconds)

    checks = {str(number): (a_target(str(number)), Named(str(number))) for number in range(100)}
    scheduling.board.retarget(
        [target for target, _ in checks.values()], now=time.monotonic(), at=SystemClock().now()
    )
    check_all = CheckAll(scheduling.run_check, lambda: checks)
    await check_all()
    await check_all()

    assert list(checks) == began[:100]
    assert list(checks)[::-1] == began[100:]


async def test_all_checks_end_with_the_budget(scheduling: Scheduling) -> None:
    """A hanging target does not take longer than the budget."""
    scheduling.checks = {"a": FakeCheck(seconds=10), "b": FakeCheck()}
    await scheduling.scheduler.set_targets([Target(name, "http", cadence=SLOW) for name in scheduling.checks])
    started = time.monotonic()
    await scheduling.check_all()
    took = time.monotonic() - started
    await scheduling.scheduler.close()

    assert took < 5


@pytest.mark.parametrize("together", [True, False])
async def test_when_checks_start(scheduling: Scheduling, together: bool) -> None:
    """Together, where a target says so; otherwise spread over the interval."""
    began: dict[str, list[float]] = {}

    class Noting(FakeCheck):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.began = began.setdefault(name, [])

        async def __call__(self, timeout_seconds: float) -> CheckResult:
            self.began.append(time.monotonic())
            return await super().__call__(timeout_seconds)

    scheduling.checks = {str(number): Noting(str(number)) for number in range(12)}
    await scheduling.scheduler.set_targets(
        [Target(name, "http", cadence=Cadence(2.0), checked_together=together) for name in scheduling.checks]
    )
    await until(lambda: all(len(times) >= 3 for times in began.values()), seconds=30)
    await scheduling.scheduler.close()
    thirds = [times[2] for times in began.values()]
    apart = [abs((third - thirds[0] + 1) % 2 - 1) for third in thirds]

    assert (statistics.median(apart) < 0.1) is together


async def test_wake(scheduling: Scheduling) -> None:
    """It checks at once; the change is confirmed before the next interval."""
    await scheduling.scheduler.set_targets([Target("a", "grpc", cadence=SLOW)])
    await until(lambda: scheduling.state("a") is State.UP)
    scheduling.checks["a"].result = BAD
    started = time.monotonic()
    scheduling.wakes["a"]()
    await until(lambda: scheduling.state("a") is State.DOWN)
    took = time.monotonic() - started
    await scheduling.scheduler.close()

    assert took < SLOW.interval_seconds / 2
    assert [change.state for change in scheduling.recorder.changes] == [State.UP, State.SUSPECT, State.DOWN]


async def test_reloading_targets(scheduling: Scheduling) -> None:
    """Changed checks are closed and replaced; a faulty list changes nothing."""
    lists: list[Sequence[Target] | TargetsRefused] = [
        [Target("a", "http"), Target("b", "http")],
        TargetsRefused("health.toml", "is faulty", 3),
        [Target("a", "http", options={"url": "other"}), Target("c", "http")],
    ]
    refused: list[TargetsRefused] = []
    applied: list[None] = []

    def read() -> Sequence[Target]:
        found = lists.pop(0)
        if isinstance(found, TargetsRefused):
            raise found
        return found

    reload = ReloadTargets(scheduling.scheduler, read, refused.append, lambda: applied.append(None))
    assert await reload()
    first = dict(scheduling.checks)
    scheduling.checks.clear()
    assert not await reload()
    assert {"a", "b"} == set(scheduling.scheduler.checks())
    assert await reload()
    assert {"a", "c"} == set(scheduling.scheduler.checks())
    await scheduling.scheduler.close()

    assert first["a"].closed
    assert first["b"].closed
    assert [error.line for error in refused] == [3]
    assert len(applied) == 2


def changed(sequence: int) -> Change:
    """Returns a change."""
    return Change(sequence, "a", State.DOWN, State.UP, datetime(2026, 11, 23, tzinfo=UTC))


async def test_listeners_resume() -> None:
    """From an event id of this process; other ids are ignored."""
    feed = ChangeFeed(kept=3)
    feed.changed([changed(1), changed(2)])

    assert feed.position(feed.event_id(1)) == 1
    assert [change.sequence for change in feed.since(1) or []] == [2]
    assert feed.since(2) == []
    for foreign in ("", "x", "x-1", f"{feed.event_id(1)}x", f"{feed.event_id(1)}{'9' * 40}", "-"):
        assert feed.position(foreign) is None


async def test_idle_listeners_cost_nothing() -> None:
    """Nothing is buffered per listener; one that falls behind the ring starts again."""
    feed = ChangeFeed(kept=100)
    waiting = [asyncio.ensure_future(feed.wait(0)) for _ in range(1000)]
    for sequence in range(1, 1001):
        feed.changed([changed(sequence)])
    await asyncio.gather(*waiting)

    assert len(feed._changes) == 100
    assert feed.since(0) is None
    assert len(feed.since(900) or []) == 100

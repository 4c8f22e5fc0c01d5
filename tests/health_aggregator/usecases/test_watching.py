"""Watching: one look at a time, one sweep for all, and nobody waits for a slow one longer than agreed."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from chassis.clock import SystemClock
from health_aggregator.adapters.change_feed import ChangeFeed
from health_aggregator.domain.board import Board
from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.state import Change, CheckResult, Outcome, State
from health_aggregator.domain.target import Cadence, Target
from health_aggregator.usecases.keep_watch import KeepWatch
from health_aggregator.usecases.run_check import RunCheck
from health_aggregator.usecases.sweep import Sweep
from health_aggregator.usecases.take_up_targets import TakeUpTargets

from tests.chassis.waiting import until
from tests.health_aggregator.looking import Notes, a_target

GOOD = CheckResult(Outcome.UP, 0.001)
BAD = CheckResult(Outcome.DOWN, 0.001, "refuses connections")
SLOW = Cadence(interval_seconds=60, timeout_seconds=1)


class FakeCheck:
    """A check that takes its time and says what it is told to."""

    def __init__(self, result: CheckResult = GOOD, seconds: float = 0.0) -> None:
        self.result = result
        self.seconds = seconds
        self.looks = 0
        self.at_once = 0
        self.most_at_once = 0
        self.closed = False

    async def __call__(self, timeout_seconds: float) -> CheckResult:
        """Looks."""
        del timeout_seconds
        self.looks += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.at_once -= 1
        return self.result

    async def close(self) -> None:
        """Notes that it was closed."""
        self.closed = True


class Watching:
    """A watch over fake checks."""

    def __init__(self) -> None:
        self.notes = Notes()
        self.board = Board("observer")
        self.run_check = RunCheck(self.board, SystemClock(), self.notes, self.notes, self.notes)
        self.checks: dict[str, FakeCheck] = {}
        self.wakes: dict[str, Callable[[], None]] = {}
        self.keep_watch = KeepWatch(self.board, self.run_check, self._make, SystemClock(), self.notes)
        self.sweep = Sweep(self.run_check, self.keep_watch.watched, budget_seconds=0.5)

    def _make(self, target: Target, wake: Callable[[], None]) -> FakeCheck:
        self.wakes[target.name] = wake
        return self.checks.setdefault(target.name, FakeCheck())

    def state(self, name: str) -> State:
        """Returns a component's state."""
        return next(each.state for each in self.board.components() if each.name == name)


@pytest.fixture(name="watching")
def _watching() -> Watching:
    return Watching()


async def test_one_look_at_a_target_at_a_time(watching: Watching) -> None:
    """A hundred callers, one look."""
    target, check = a_target(), FakeCheck(seconds=0.05)
    watching.board.retarget([target], now=time.monotonic(), at=SystemClock().now())
    await asyncio.gather(*(watching.run_check(target, check, 1.0) for _ in range(100)))

    assert (check.looks, check.most_at_once) == (1, 1)


async def test_a_look_takes_no_longer_than_the_lesser_of_both_times(watching: Watching) -> None:
    """The target's own timeout, or what is left of the budget."""
    target, check = a_target(timeout_seconds=0.05), FakeCheck(seconds=10)
    watching.board.retarget([target], now=time.monotonic(), at=SystemClock().now())
    for budget_seconds, words in ((5.0, "no answer within 0.05 s"), (0.02, "no answer within 0.02 s")):
        started = time.monotonic()
        await watching.run_check(target, check, budget_seconds)
        await until(lambda: check.at_once == 0)

        assert time.monotonic() - started < 0.5
        assert words == watching.notes.results[-1].error


async def test_a_broken_check_blinds_nobody(watching: Watching) -> None:
    """Its fault is noted, and the target counts as down."""

    class Broken(FakeCheck):
        async def __call__(self, timeout_seconds: float) -> CheckResult:
            raise KeyError("secret")

    target = a_target()
    watching.board.retarget([target], now=time.monotonic(), at=SystemClock().now())
    await watching.run_check(target, Broken(), 1.0)

    assert watching.notes.results[0].error == "the check itself failed"
    assert isinstance(watching.notes.faults[0], KeyError)


async def test_a_failure_is_not_believed_when_the_process_slept(watching: Watching) -> None:
    """A laptop that was closed has seen nothing."""
    times, notes = iter([100.0, 160.0]), watching.notes
    run_check = RunCheck(watching.board, SystemClock(), notes, notes, notes, monotonic=lambda: next(times))
    target = a_target()
    watching.board.retarget([target], now=100.0, at=SystemClock().now())
    await run_check(target, FakeCheck(BAD), 1.0)

    assert watching.notes.results == []
    assert len(watching.notes.discards) == 1


async def test_one_sweep_for_any_number_of_callers(watching: Watching) -> None:
    """As long as the slowest, and everything at once."""
    watching.checks = {str(number): FakeCheck(seconds=0.2) for number in range(50)}
    await watching.keep_watch.take_up([Target(name, "http", cadence=SLOW) for name in watching.checks])
    await until(lambda: all(check.looks == 1 and not check.at_once for check in watching.checks.values()))
    started = time.monotonic()
    await asyncio.gather(*(watching.sweep() for _ in range(100)))
    took = time.monotonic() - started
    await watching.keep_watch.close()

    assert {2} == {check.looks for check in watching.checks.values()}
    assert 0.2 <= took < 0.4


async def test_a_sweep_begins_with_the_slowest(watching: Watching) -> None:
    """So that it is waited for while the others are at work."""
    began: list[str] = []

    class Noted(FakeCheck):
        def __init__(self, name: str) -> None:
            super().__init__(CheckResult(Outcome.UP, int(name) / 1000))
            self.name = name

        async def __call__(self, timeout_seconds: float) -> CheckResult:
            began.append(self.name)
            return await super().__call__(timeout_seconds)

    watched = {str(number): (a_target(str(number)), Noted(str(number))) for number in range(100)}
    watching.board.retarget(
        [target for target, _ in watched.values()], now=time.monotonic(), at=SystemClock().now()
    )
    sweep = Sweep(watching.run_check, lambda: watched)
    await sweep()
    await sweep()

    assert list(watched) == began[:100]
    assert list(watched)[::-1] == began[100:]


async def test_a_sweep_ends_with_its_budget(watching: Watching) -> None:
    """A hanging target costs the budget, not more."""
    watching.checks = {"a": FakeCheck(seconds=10), "b": FakeCheck()}
    await watching.keep_watch.take_up([Target(name, "http", cadence=SLOW) for name in watching.checks])
    started = time.monotonic()
    await watching.sweep()
    took = time.monotonic() - started
    await watching.keep_watch.close()

    assert took < 0.9


async def test_a_wake_is_a_look_at_once(watching: Watching) -> None:
    """And a change is confirmed within the edge, not the interval."""
    await watching.keep_watch.take_up([Target("a", "grpc", cadence=SLOW)])
    await until(lambda: watching.state("a") is State.UP)
    watching.checks["a"].result = BAD
    started = time.monotonic()
    watching.wakes["a"]()
    await until(lambda: watching.state("a") is State.DOWN)
    took = time.monotonic() - started
    await watching.keep_watch.close()

    assert took < 1.0
    assert [change.state for change in watching.notes.changes] == [State.UP, State.SUSPECT, State.DOWN]


async def test_a_new_list_is_taken_up_and_an_old_check_closed(watching: Watching) -> None:
    """Only what is checked differently is begun anew; a faulty list changes nothing."""
    lists: list[Sequence[Target] | TargetsRefused] = [
        [Target("a", "http"), Target("b", "http")],
        TargetsRefused("health.toml", "is faulty", 3),
        [Target("a", "http", options={"url": "other"}), Target("c", "http")],
    ]
    refused: list[TargetsRefused] = []
    taken: list[Sequence[Target]] = []

    def read() -> Sequence[Target]:
        found = lists.pop(0)
        if isinstance(found, TargetsRefused):
            raise found
        return found

    take_up = TakeUpTargets(watching.keep_watch, read, refused.append, taken.append)
    assert await take_up()
    first = dict(watching.checks)
    watching.checks.clear()
    assert not await take_up()
    assert {"a", "b"} == set(watching.keep_watch.watched())
    assert await take_up()
    assert {"a", "c"} == set(watching.keep_watch.watched())
    await watching.keep_watch.close()

    assert first["a"].closed
    assert first["b"].closed
    assert [error.line for error in refused] == [3]
    assert len(taken) == 2


def changed(sequence: int) -> Change:
    """Returns a change."""
    return Change(sequence, "a", State.DOWN, State.UP, datetime(2026, 11, 23, tzinfo=UTC))


async def test_listeners_go_on_from_where_they_were() -> None:
    """By an id of this process; one of another process, or of nobody, means nothing."""
    feed = ChangeFeed(kept=3)
    feed.publish([changed(1), changed(2)])

    assert feed.position(feed.event_id(1)) == 1
    assert [change.sequence for change in feed.since(1) or []] == [2]
    assert feed.since(2) == []
    for foreign in ("", "x", "x-1", f"{feed.event_id(1)}x", f"{feed.event_id(1)}{'9' * 40}", "-"):
        assert feed.position(foreign) is None


async def test_a_thousand_listeners_who_never_listen_cost_nothing() -> None:
    """Who falls behind the ring starts anew; nothing is kept for them."""
    feed = ChangeFeed(kept=100)
    waiting = [asyncio.ensure_future(feed.wait(0)) for _ in range(1000)]
    for sequence in range(1, 1001):
        feed.publish([changed(sequence)])
    await asyncio.gather(*waiting)

    assert len(feed._changes) == 100
    assert feed.since(0) is None
    assert len(feed.since(900) or []) == 100

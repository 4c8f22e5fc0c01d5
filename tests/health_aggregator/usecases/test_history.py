"""Recording the history: nothing is lost while the store is down, and nothing is counted twice."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import Unavailable
from chassis.tasks import end_task
from health_aggregator.adapters.memory_history import MemoryHistory
from health_aggregator.domain.board import Board
from health_aggregator.domain.check import CheckResult, Outcome
from health_aggregator.domain.history import Observation, Resolution, incidents
from health_aggregator.domain.state import Change, State
from health_aggregator.usecases import history as recording
from health_aggregator.usecases.history import RecordHistory

from tests.chassis.waiting import until
from tests.health_aggregator.checking import a_target

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    """Always noon."""

    def now(self) -> datetime:
        """Returns noon."""
        return NOON


class FailingHistory(MemoryHistory):
    """A store that can be down."""

    down = False

    async def append(self, observations: Sequence[Observation], changes: Sequence[Change]) -> bool:
        """Adds, unless it is down."""
        if self.down:
            raise Unavailable
        return await super().append(observations, changes)


def changed(minutes: float, name: str, state: State, previous: State, cause: str | None = None) -> Change:
    """Returns a change some minutes after noon."""
    return Change(1, name, state, previous, NOON + timedelta(minutes=minutes), "refuses connections", cause)


async def test_buffered_data_is_written_once() -> None:
    """When the store is up again."""
    store, failures = FailingHistory(), list[Exception]()
    board = Board("self")
    board.retarget([a_target("a")], now=0.0, at=NOON)
    history = RecordHistory(board, store, Clock(), lambda error, _: failures.append(error))
    store.down = True
    for now in range(3):
        board.record("a", CheckResult(Outcome.UP, 0.01), now=float(now), at=NOON)
        history.checked(a_target("a"), CheckResult(Outcome.UP, 0.01))
    history.changed([changed(0, "a", State.DOWN, State.UP)])
    for _ in range(2):
        try:
            await history.flush()
        except Unavailable as error:
            failures.append(error)
    store.down = False
    await history.flush()
    await history.flush()
    await history.refresh()

    assert len(failures) == 2
    assert [period.checks for period in await store.periods(Resolution.DAY, NOON - timedelta(days=1))] == [3]
    assert [period.checks for period in history.days["a"].values()] == [3]
    assert len(await store.changes(NOON - timedelta(days=1), 10)) == 1
    assert tuple(history.recent("a")) == (0.01, 0.01, 0.01)
    assert [incident.component for incident in history.incidents()] == ["a"]


async def test_a_full_buffer_loses_nothing_but_its_oldest_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when rows arrive during a write, which takes a part of the buffer at a time."""
    monkeypatch.setattr(recording, "_WRITTEN_AT_ONCE", 4)
    monkeypatch.setattr(recording, "_BUFFERED", 10)
    board = Board("self")
    board.retarget([a_target("a")], now=0.0, at=NOON)
    board.record("a", CheckResult(Outcome.UP, 0.0), now=0.0, at=NOON)
    written: list[list[float]] = []

    def check(numbers: Iterable[int]) -> None:
        for number in numbers:
            history.checked(a_target("a"), CheckResult(Outcome.UP, float(number)))

    class Slow(MemoryHistory):
        async def append(self, observations: Sequence[Observation], changes: Sequence[Change]) -> bool:
            if not written:
                check(range(10, 16))
            written.append([observation.latency_seconds for observation in observations])
            return await super().append(observations, changes)

    history = RecordHistory(board, Slow(), Clock(), lambda error, _: None)
    check(range(10))
    await history.flush()
    await history.flush()

    assert [number for batch in written for number in batch] == [0, 1, 2, 3, *range(6, 16)]
    assert max(map(len, written)) == 4


async def test_a_store_that_refuses_does_not_end_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a schema that is not migrated yet: any error is reported, and the next write is tried."""
    monkeypatch.setattr(recording, "_FLUSH_SECONDS", 0.01)
    errors: list[Exception] = []

    class Refusing(MemoryHistory):
        async def append(self, observations: Sequence[Observation], changes: Sequence[Change]) -> bool:
            if len(errors) < 2:
                raise LookupError("health.writer does not exist")
            return await super().append(observations, changes)

    board, store = Board("self"), Refusing()
    board.retarget([a_target("a")], now=0.0, at=NOON)
    history = RecordHistory(board, store, Clock(), lambda error, _: errors.append(error))
    board.record("a", CheckResult(Outcome.UP, 0.01), now=0.0, at=NOON)
    history.checked(a_target("a"), CheckResult(Outcome.UP, 0.01))
    running = asyncio.ensure_future(history.run())
    try:
        await until(lambda: running.done() or bool(store._periods[Resolution.DAY]))
        assert not running.done()
    finally:
        await end_task(running)
    assert [type(error) for error in errors] == [LookupError] * 2


def test_changes_fold_into_incidents() -> None:
    """From the first failure to the recovery, with the worst state and the cause."""
    found = incidents(
        [
            changed(0, "auth", State.SUSPECT, State.UP),
            changed(1, "auth", State.DOWN, State.SUSPECT, "postgres"),
            changed(2, "auth", State.RECOVERING, State.DOWN),
            changed(3, "auth", State.UP, State.RECOVERING),
            changed(4, "redis", State.SUSPECT, State.UP),
            changed(5, "redis", State.UP, State.SUSPECT),
            changed(6, "users", State.FLAPPING, State.SUSPECT),
            changed(7, "users", State.DOWN, State.FLAPPING),
        ]
    )

    assert [incident.component for incident in found] == ["users", "auth"]
    lasting, past = found
    assert (lasting.ended_at, lasting.worst) == (None, State.DOWN)
    assert (NOON + timedelta(minutes=1), NOON + timedelta(minutes=3)) == (past.started_at, past.ended_at)
    assert (past.worst, past.caused_by) == (State.DOWN, "postgres")

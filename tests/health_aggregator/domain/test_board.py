"""The board: states and changes, with a jumping clock and without a network."""

from datetime import UTC, datetime, timedelta

import pytest
from health_aggregator.domain.board import ISOLATED, Board
from health_aggregator.domain.check import CheckResult, Outcome
from health_aggregator.domain.state import State, Status
from health_aggregator.domain.target import Target
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD = CheckResult(Outcome.UP, 0.001)
BAD = CheckResult(Outcome.DOWN, 0.001, "refuses connections")
SILENT = CheckResult(Outcome.DOWN, 1.0, "no answer within 1 s", silent=True)
NAMES = ("auth", "users", "postgres", "redis")
TARGETS = (
    Target("auth", "grpc", critical=True, depends_on=("postgres",)),
    Target("users", "grpc", critical=True, depends_on=("postgres",)),
    Target("postgres", "postgres", critical=True),
    Target("redis", "redis"),
    Target("self", "grpc"),
    Target("qdrant", "qdrant", enabled=False),
)


class BoardAndClock:
    """A board, and the times of its results."""

    def __init__(self, *targets: Target) -> None:
        self.board = Board("self")
        self.now = 100.0
        self.at = NOON
        self.board.retarget(targets or TARGETS, now=self.now, at=self.at)

    def record(
        self, result: CheckResult, *names: str, times: int = 1, apart_seconds: float = 1.0
    ) -> list[State]:
        """Records a result for some components, several times; returns their states."""
        for _ in range(times):
            self.now += apart_seconds
            for name in names:
                self.board.record(name, result, now=self.now, at=self.at)
        return [self.state(name) for name in names]

    def state(self, name: str) -> State:
        """Returns the state of a component."""
        return next(each.state for each in self.board.components() if each.name == name)

    def cause(self, name: str) -> str | None:
        """Returns the cause of a component's failure."""
        return next(each.caused_by for each in self.board.components() if each.name == name)


def test_unconfigured_components_are_disabled() -> None:
    """They are not a failure."""
    bench = BoardAndClock()
    bench.record(GOOD, *NAMES, "self")

    assert State.DISABLED is bench.state("qdrant")
    assert Status.HEALTHY is bench.board.status()
    assert bench.board.record("qdrant", BAD, now=200, at=NOON) is None


def test_failures_have_one_cause() -> None:
    """Three are down; one is the cause of the others."""
    bench = BoardAndClock()
    bench.record(GOOD, *NAMES, "self")
    bench.record(BAD, "postgres", "auth", "users", times=3)

    assert (bench.cause("auth"), bench.cause("users"), bench.cause("postgres")) == (
        "postgres",
        "postgres",
        None,
    )
    assert Status.UNHEALTHY is bench.board.status()


def test_raw_and_damped_state() -> None:
    """After one failure the component is suspect, and its last check failed."""
    bench = BoardAndClock()
    bench.record(GOOD, *NAMES)
    bench.record(BAD, "redis")

    redis = next(each for each in bench.board.components() if each.name == "redis")
    assert (redis.state, redis.raw, redis.error) == (State.SUSPECT, State.DOWN, "refuses connections")


@pytest.mark.parametrize(
    ("last", "status"), [(Outcome.DEGRADED, Status.DEGRADED), (Outcome.UP, Status.HEALTHY)]
)
def test_a_suspect_counts_as_it_was(last: Outcome, status: Status) -> None:
    """So that the system does not seem healthy between two answers of a degraded component."""
    bench = BoardAndClock()
    bench.record(GOOD, *NAMES, "self")
    bench.record(CheckResult(last, 0.3), "redis")
    bench.record(BAD, "redis")

    assert status is bench.board.status()


def test_old_results_are_stale() -> None:
    """A component without recent results is stale, never up."""
    bench = BoardAndClock()
    bench.record(GOOD, *NAMES, "self")
    changes = bench.board.age(now=bench.now + 60, at=NOON)

    assert {"auth", "users", "postgres", "redis", "self"} == {change.name for change in changes}
    assert {State.STALE} == {change.state for change in changes}
    assert Status.DEGRADED is bench.board.status()
    assert bench.board.age(now=bench.now + 61, at=NOON) == []

    bench.record(GOOD, "redis", apart_seconds=61)
    assert State.UP is bench.state("redis")


def test_a_jumping_wall_clock_changes_nothing() -> None:
    """Only displayed times change."""
    bench = BoardAndClock()
    bench.record(GOOD, *NAMES)
    for years in (-20, 30):
        bench.at = NOON + timedelta(days=365 * years)
        assert bench.record(GOOD, *NAMES) == [State.UP] * 4
        assert bench.board.age(now=bench.now, at=bench.at) == []


def test_one_silent_component_is_down_when_others_respond() -> None:
    """A silent component is down when another one has responded since."""
    bench = BoardAndClock()
    bench.record(GOOD, *NAMES)
    for _ in range(3):
        bench.record(SILENT, "postgres")
        bench.record(GOOD, "auth", "users", "redis")
    bench.record(SILENT, "postgres")

    assert State.DOWN is bench.state("postgres")


def test_losing_the_own_network_is_not_everything_down() -> None:
    """When no component responds any more, the aggregator reports that it is cut off."""
    bench = BoardAndClock()
    bench.record(GOOD, *NAMES, "self")
    for _ in range(20):
        bench.record(SILENT, *NAMES)
        bench.record(GOOD, "self", apart_seconds=0)
        bench.board.age(now=bench.now, at=bench.at)

    own = next(each for each in bench.board.components() if each.name == "self")
    assert [bench.state(name) for name in NAMES] == [State.STALE] * 4
    assert [bench.cause(name) for name in NAMES] == ["self"] * 4
    assert (own.error, own.degraded) == (ISOLATED, True)
    assert Status.DEGRADED is bench.board.status()

    bench.record(GOOD, *NAMES)
    assert [bench.state(name) for name in NAMES] == [State.UP] * 4
    assert not bench.board.is_isolated


def test_failures_right_after_the_start_are_ignored() -> None:
    """Components may start a few seconds later than the aggregator."""
    bench = BoardAndClock()

    assert bench.record(BAD, "auth", times=20, apart_seconds=0.2) == [State.UNKNOWN]
    assert bench.record(BAD, "auth", times=5) == [State.DOWN]


def test_refusals_are_responses() -> None:
    """When all components refuse connections, they are down: the network works."""
    bench = BoardAndClock()
    bench.record(GOOD, *NAMES)

    assert bench.record(BAD, *NAMES, times=3) == [State.DOWN] * 4
    assert not bench.board.is_isolated


def test_with_two_targets_silence_is_down() -> None:
    """Two targets are too few to suspect the network."""
    bench = BoardAndClock(Target("a", "http"), Target("b", "http"))
    bench.record(GOOD, "a", "b")

    assert bench.record(SILENT, "a", "b", times=3) == [State.DOWN] * 2


def test_new_targets_keep_known_states() -> None:
    """Only components of another kind start again."""
    bench = BoardAndClock()
    bench.record(GOOD, *NAMES)
    other = Target("auth", "http", options={"url": "http://elsewhere"})
    moved = Target("users", "grpc", options={"address": "elsewhere:1"})
    bench.board.retarget([other, moved, TARGETS[2]], now=bench.now, at=NOON)

    assert (bench.state("auth"), bench.state("users")) == (State.UNKNOWN, State.UP)
    assert {"auth", "users", "postgres"} == {each.name for each in bench.board.components()}
    assert bench.board.record("redis", GOOD, now=bench.now, at=NOON) is None


@given(
    results=st.fixed_dictionaries({name: st.lists(st.booleans(), max_size=12) for name in NAMES}),
    data=st.data(),
)
def test_order_of_arrival_between_components_does_not_matter(
    results: dict[str, list[bool]], data: st.DataObject
) -> None:
    """Only the order of each component's own results matters."""
    order = data.draw(st.permutations([name for name in NAMES for _ in results[name]]))
    shuffled, plain = BoardAndClock(), BoardAndClock()
    shuffled.now = plain.now = 200.0  # after the first seconds, whose failures are ignored
    queues = {name: list(results[name]) for name in NAMES}
    for name in order:
        shuffled.record(GOOD if queues[name].pop(0) else BAD, name)
    for name in NAMES:
        for success in results[name]:
            plain.record(GOOD if success else BAD, name)

    def shown(bench: BoardAndClock) -> list[tuple[str, State, str | None]]:
        return [(each.name, each.state, each.caused_by) for each in bench.board.components()]

    assert shown(plain) == shown(shuffled)
    assert plain.board.status() is shuffled.board.status()


@given(steps=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from((GOOD, BAD, SILENT))), max_size=60))
def test_changes_are_complete(steps: list[tuple[str, CheckResult]]) -> None:
    """The changes contain every state, and their positions rise by one."""
    bench = BoardAndClock()
    known = dict.fromkeys(NAMES, State.UNKNOWN)
    for position, (name, result) in enumerate(steps):
        bench.now += 1
        change = bench.board.record(name, result, now=bench.now, at=NOON)
        before = bench.board.sequence
        if change is not None:
            assert change.previous is known[change.name]
            assert before == change.sequence
            known[change.name] = change.state
        for aged in bench.board.age(now=bench.now, at=NOON) if position % 7 == 0 else []:
            if aged.name in known:
                known[aged.name] = aged.state

    assert known == {name: bench.state(name) for name in NAMES}


def test_mark_degraded() -> None:
    """The component is degraded until the mark is removed; errors of its check take precedence."""
    bench = BoardAndClock()
    bench.record(GOOD, *NAMES, "self")
    for detail in ("entry 7 is gone", "entry 7 is gone", "entry 9 is gone"):
        bench.board.mark_degraded("auth", "its log is not whole", detail)

    shown = bench.board.components()[0]
    assert (shown.degraded, shown.error, shown.detail) == (True, "its log is not whole", "entry 9 is gone")
    assert Status.DEGRADED is bench.board.status()
    bench.record(BAD, "auth")
    assert bench.board.components()[0].error == "refuses connections"
    bench.record(GOOD, "auth", times=3)
    bench.board.mark_degraded("auth", "its log is not whole", None)
    assert not bench.board.components()[0].degraded
    assert Status.HEALTHY is bench.board.status()

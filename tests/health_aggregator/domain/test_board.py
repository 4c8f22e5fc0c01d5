"""The board: results in, changes out, whatever the clock and the network do."""

from datetime import UTC, datetime, timedelta

from health_aggregator.domain.board import CUT_OFF, Board
from health_aggregator.domain.state import CheckResult, Outcome, State, Status
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
    Target("observer", "grpc"),
    Target("qdrant", "qdrant", enabled=False),
)


class Bench:
    """A board and the time."""

    def __init__(self, *targets: Target) -> None:
        self.board = Board("observer")
        self.now = 100.0
        self.at = NOON
        self.board.retarget(targets or TARGETS, now=self.now, at=self.at)

    def see(
        self, result: CheckResult, *names: str, times: int = 1, apart_seconds: float = 1.0
    ) -> list[State]:
        """Records a result for some components, several times; returns the states that they came to."""
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


def test_not_configured_is_disabled_and_harmless() -> None:
    """A part without settings is no failure."""
    bench = Bench()
    bench.see(GOOD, *NAMES, "observer")

    assert State.DISABLED is bench.state("qdrant")
    assert Status.HEALTHY is bench.board.status()
    assert bench.board.record("qdrant", BAD, now=200, at=NOON) is None


def test_failures_that_follow_are_collapsed() -> None:
    """Three are down, one is the cause."""
    bench = Bench()
    bench.see(GOOD, *NAMES, "observer")
    bench.see(BAD, "postgres", "auth", "users", times=3)

    assert (bench.cause("auth"), bench.cause("users"), bench.cause("postgres")) == (
        "postgres",
        "postgres",
        None,
    )
    assert Status.UNHEALTHY is bench.board.status()


def test_raw_and_damped_are_both_told() -> None:
    """After one failure the component is suspect, and the last check was bad."""
    bench = Bench()
    bench.see(GOOD, *NAMES)
    bench.see(BAD, "redis")

    redis = next(each for each in bench.board.components() if each.name == "redis")
    assert (redis.state, redis.raw, redis.error) == (State.SUSPECT, State.DOWN, "refuses connections")


def test_old_news_is_stale_and_never_up() -> None:
    """Results that no longer come are said to be missing."""
    bench = Bench()
    bench.see(GOOD, *NAMES, "observer")
    changes = bench.board.age(now=bench.now + 60, at=NOON)

    assert {"auth", "users", "postgres", "redis", "observer"} == {change.name for change in changes}
    assert {State.STALE} == {change.state for change in changes}
    assert Status.DEGRADED is bench.board.status()
    assert bench.board.age(now=bench.now + 61, at=NOON) == []

    bench.see(GOOD, "redis", apart_seconds=61)
    assert State.UP is bench.state("redis")


def test_a_jumping_wall_clock_changes_nothing() -> None:
    """Years forward or back: only what is shown moves."""
    bench = Bench()
    bench.see(GOOD, *NAMES)
    for years in (-20, 30):
        bench.at = NOON + timedelta(days=365 * years)
        assert bench.see(GOOD, *NAMES) == [State.UP] * 4
        assert bench.board.age(now=bench.now, at=bench.at) == []


def test_one_silent_component_is_down_when_others_answer() -> None:
    """Silence is believed as soon as somebody else was heard since."""
    bench = Bench()
    bench.see(GOOD, *NAMES)
    for _ in range(3):
        bench.see(SILENT, "postgres")
        bench.see(GOOD, "auth", "users", "redis")
    bench.see(SILENT, "postgres")

    assert State.DOWN is bench.state("postgres")


def test_cut_off_says_so_instead_of_calling_everything_down() -> None:
    """When nothing answers any more, the observer doubts itself."""
    bench = Bench()
    bench.see(GOOD, *NAMES, "observer")
    for _ in range(20):
        bench.see(SILENT, *NAMES)
        bench.see(GOOD, "observer", apart_seconds=0)
        bench.board.age(now=bench.now, at=bench.at)

    observer = next(each for each in bench.board.components() if each.name == "observer")
    assert [bench.state(name) for name in NAMES] == [State.STALE] * 4
    assert [bench.cause(name) for name in NAMES] == ["observer"] * 4
    assert (observer.error, observer.degraded) == (CUT_OFF, True)
    assert Status.DEGRADED is bench.board.status()

    bench.see(GOOD, *NAMES)
    assert [bench.state(name) for name in NAMES] == [State.UP] * 4
    assert not bench.board.cut_off


def test_what_starts_with_the_observer_has_a_moment_of_grace() -> None:
    """Failures of the first seconds are no incident; later ones are."""
    bench = Bench()

    assert bench.see(BAD, "auth", times=20, apart_seconds=0.2) == [State.UNKNOWN]
    assert bench.see(BAD, "auth", times=5) == [State.DOWN]


def test_refusals_are_answers() -> None:
    """Everything refusing is everything down: the network brought the refusals."""
    bench = Bench()
    bench.see(GOOD, *NAMES)

    assert bench.see(BAD, *NAMES, times=3) == [State.DOWN] * 4
    assert not bench.board.cut_off


def test_with_two_targets_silence_is_believed() -> None:
    """Too few witnesses prove nothing."""
    bench = Bench(Target("a", "http"), Target("b", "http"))
    bench.see(GOOD, "a", "b")

    assert bench.see(SILENT, "a", "b", times=3) == [State.DOWN] * 2


def test_a_new_list_keeps_what_is_checked_as_before() -> None:
    """Only what changed starts from nothing."""
    bench = Bench()
    bench.see(GOOD, *NAMES)
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
    """Each component's own results decide, however those of others fall in between."""
    order = data.draw(st.permutations([name for name in NAMES for _ in results[name]]))
    shuffled, plain = Bench(), Bench()
    shuffled.now = plain.now = 200.0  # the grace of the first seconds goes by time, not by order
    queues = {name: list(results[name]) for name in NAMES}
    for name in order:
        shuffled.see(GOOD if queues[name].pop(0) else BAD, name)
    for name in NAMES:
        for success in results[name]:
            plain.see(GOOD if success else BAD, name)

    def shown(bench: Bench) -> list[tuple[str, State, str | None]]:
        return [(each.name, each.state, each.caused_by) for each in bench.board.components()]

    assert shown(plain) == shown(shuffled)
    assert plain.board.status() is shuffled.board.status()


@given(steps=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from((GOOD, BAD, SILENT))), max_size=60))
def test_changes_tell_the_whole_story(steps: list[tuple[str, CheckResult]]) -> None:
    """Who hears every change knows every state, and positions rise by one."""
    bench = Bench()
    heard = dict.fromkeys(NAMES, State.UNKNOWN)
    for position, (name, result) in enumerate(steps):
        bench.now += 1
        change = bench.board.record(name, result, now=bench.now, at=NOON)
        before = bench.board.sequence
        if change is not None:
            assert change.previous is heard[change.name]
            assert before == change.sequence
            heard[change.name] = change.state
        for aged in bench.board.age(now=bench.now, at=NOON) if position % 7 == 0 else []:
            if aged.name in heard:
                heard[aged.name] = aged.state

    assert heard == {name: bench.state(name) for name in NAMES}


def test_what_no_check_sees_is_shown_until_it_is_over() -> None:
    """Degraded, with the inner story beside; a failure of its own is told first."""
    bench = Bench()
    bench.see(GOOD, *NAMES, "observer")
    for detail in ("entry 7 is gone", "entry 7 is gone", "entry 9 is gone"):
        bench.board.blemish("auth", "its log is not whole", detail)

    shown = bench.board.components()[0]
    assert (shown.degraded, shown.error, shown.detail) == (True, "its log is not whole", "entry 9 is gone")
    assert Status.DEGRADED is bench.board.status()
    bench.see(BAD, "auth")
    assert bench.board.components()[0].error == "refuses connections"
    bench.see(GOOD, "auth", times=3)
    bench.board.blemish("auth", "its log is not whole", None)
    assert not bench.board.components()[0].degraded
    assert Status.HEALTHY is bench.board.status()

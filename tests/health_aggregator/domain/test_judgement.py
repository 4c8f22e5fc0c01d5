"""Judgement: an algebra that no order of arrival can disturb."""

from health_aggregator.domain.causes import find_causes, find_cycle
from health_aggregator.domain.judgement import FAILING, Standing, judge, severity, worst
from health_aggregator.domain.state import State, Status
from hypothesis import given
from hypothesis import strategies as st

STANDINGS = st.builds(Standing, st.sampled_from(State), st.booleans(), st.booleans())
STATUSES = st.sampled_from(Status)
RANK = {Status.HEALTHY: 0, Status.DEGRADED: 1, Status.UNHEALTHY: 2}


@given(standings=st.lists(STANDINGS), data=st.data())
def test_order_does_not_matter(standings: list[Standing], data: st.DataObject) -> None:
    """However the components are arranged, the verdict is the same."""
    assert judge(standings) is judge(data.draw(st.permutations(standings)))


@given(first=STATUSES, second=STATUSES, third=STATUSES)
def test_worst_is_a_semilattice(first: Status, second: Status, third: Status) -> None:
    """Commutative, associative, idempotent, with `healthy` for nothing."""
    assert worst(first, second) is worst(second, first)
    assert worst(first, worst(second, third)) is worst(worst(first, second), third)
    assert worst(first, first) is first
    assert worst(first, Status.HEALTHY) is first


@given(standings=st.lists(STANDINGS), another=STANDINGS)
def test_another_component_never_makes_it_better(standings: list[Standing], another: Standing) -> None:
    """Judgement is monotone."""
    assert RANK[judge([*standings, another])] >= RANK[judge(standings)]


@given(standing=STANDINGS)
def test_what_is_not_known_is_never_healthy(standing: Standing) -> None:
    """`stale` and `unknown` never read as up, critical or not."""
    if standing.state in {State.STALE, State.UNKNOWN}:
        assert severity(standing) is Status.DEGRADED


@given(standings=st.lists(STANDINGS.filter(lambda standing: not standing.critical)))
def test_optional_parts_never_make_it_unhealthy(standings: list[Standing]) -> None:
    """Only what is critical can."""
    assert judge(standings) is not Status.UNHEALTHY


def test_suspicion_flips_nothing() -> None:
    """One lost packet of a critical component leaves the system healthy."""
    assert Status.HEALTHY is judge([Standing(State.SUSPECT, critical=True)])


def test_recovering_still_counts_as_down() -> None:
    """One answer is not yet a recovery."""
    assert Status.UNHEALTHY is judge([Standing(State.RECOVERING, critical=True)])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, State], dict[str, list[str]]]:
    """Draws states and dependencies without a cycle: each name builds on later ones only."""
    names = [f"c{index}" for index in range(draw(st.integers(1, 9)))]
    states = {name: draw(st.sampled_from(State)) for name in names}
    depends_on = {
        name: draw(st.lists(st.sampled_from(names[index + 1 :]), unique=True)) if names[index + 1 :] else []
        for index, name in enumerate(names)
    }
    return states, depends_on


@given(graph=graphs(), data=st.data())
def test_causes_do_not_depend_on_order(
    graph: tuple[dict[str, State], dict[str, list[str]]], data: st.DataObject
) -> None:
    """Whatever arrived first, the same component is blamed."""
    states, depends_on = graph
    shuffled = {name: states[name] for name in data.draw(st.permutations(list(states)))}
    turned = {name: list(reversed(others)) for name, others in depends_on.items()}

    assert find_causes(states, depends_on) == find_causes(shuffled, turned)


@given(graph=graphs())
def test_a_cause_fails_and_has_none_itself(graph: tuple[dict[str, State], dict[str, list[str]]]) -> None:
    """Causes are roots: failing components that stand for themselves."""
    states, depends_on = graph
    causes = find_causes(states, depends_on)

    for name, cause in causes.items():
        assert states[name] in FAILING
        assert states[cause] in FAILING
        assert cause not in causes
        assert cause != name


@given(graph=graphs())
def test_whatever_fails_without_a_failing_dependency_stands_for_itself(
    graph: tuple[dict[str, State], dict[str, list[str]]],
) -> None:
    """Every failure is either a root or has a cause."""
    states, depends_on = graph
    causes = find_causes(states, depends_on)

    for name, state in states.items():
        has_failing = any(states[other] in FAILING for other in depends_on[name])
        assert (name in causes) == (state in FAILING and has_failing)


def test_a_chain_is_collapsed_to_its_end() -> None:
    """Three failures in a row are one cause and two consequences."""
    states = {"gateway": State.DOWN, "auth": State.DOWN, "postgres": State.DOWN}
    depends_on = {"gateway": ["auth"], "auth": ["postgres"], "postgres": []}

    assert find_causes(states, depends_on) == {"gateway": "postgres", "auth": "postgres"}


def test_a_sound_part_between_two_failures_parts_them() -> None:
    """What works does not hand a failure on."""
    states = {"gateway": State.DOWN, "auth": State.UP, "postgres": State.DOWN}

    assert find_causes(states, {"gateway": ["auth"], "auth": ["postgres"], "postgres": []}) == {}


def test_long_chains_are_no_trouble() -> None:
    """A thousand in a row neither recurse nor take long."""
    names = [str(index) for index in range(1000)]
    depends_on = {name: [str(int(name) + 1)] if int(name) < 999 else [] for name in names}

    causes = find_causes(dict.fromkeys(names, State.DOWN), depends_on)

    assert {"999"} == set(causes.values())
    assert find_cycle(depends_on) is None


def test_finds_a_cycle() -> None:
    """Names it along the arrows."""
    cycle = find_cycle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})

    assert cycle is not None
    assert {"a", "b", "c"} == set(cycle)
    assert cycle[0] == cycle[-1]

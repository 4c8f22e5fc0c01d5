"""Evaluation and causes: results do not depend on any order."""

from health_aggregator.domain.causes import find_causes, find_cycle
from health_aggregator.domain.evaluation import FAILING, ComponentState, evaluate, severity, worst
from health_aggregator.domain.state import State, Status
from hypothesis import given
from hypothesis import strategies as st

COMPONENTS = st.builds(ComponentState, st.sampled_from(State), st.booleans(), st.booleans())
STATUSES = st.sampled_from(Status)
RANK = {Status.HEALTHY: 0, Status.DEGRADED: 1, Status.UNHEALTHY: 2}


@given(components=st.lists(COMPONENTS), data=st.data())
def test_order_does_not_matter(components: list[ComponentState], data: st.DataObject) -> None:
    """The status is the same for every order of the components."""
    assert evaluate(components) is evaluate(data.draw(st.permutations(components)))


@given(first=STATUSES, second=STATUSES, third=STATUSES)
def test_worst_is_a_semilattice(first: Status, second: Status, third: Status) -> None:
    """Commutative, associative, idempotent, with `healthy` as the identity."""
    assert worst(first, second) is worst(second, first)
    assert worst(first, worst(second, third)) is worst(worst(first, second), third)
    assert worst(first, first) is first
    assert worst(first, Status.HEALTHY) is first


@given(components=st.lists(COMPONENTS), another=COMPONENTS)
def test_another_component_never_improves_the_status(
    components: list[ComponentState], another: ComponentState
) -> None:
    """Evaluation is monotone."""
    assert RANK[evaluate([*components, another])] >= RANK[evaluate(components)]


@given(component=COMPONENTS)
def test_unknown_states_are_degraded(component: ComponentState) -> None:
    """`stale` and `unknown` are neither healthy nor unhealthy, critical or not."""
    if component.state in {State.STALE, State.UNKNOWN}:
        assert severity(component) is Status.DEGRADED


@given(components=st.lists(COMPONENTS.filter(lambda component: not component.critical)))
def test_only_critical_components_make_it_unhealthy(components: list[ComponentState]) -> None:
    """Others degrade it at most."""
    assert evaluate(components) is not Status.UNHEALTHY


def test_suspect_is_healthy() -> None:
    """One lost packet of a critical component leaves the system healthy."""
    assert Status.HEALTHY is evaluate([ComponentState(State.SUSPECT, critical=True)])


def test_recovering_still_counts_as_down() -> None:
    """One success does not confirm a recovery."""
    assert Status.UNHEALTHY is evaluate([ComponentState(State.RECOVERING, critical=True)])


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, State], dict[str, list[str]]]:
    """Draws states, and dependencies without a cycle: each name depends on later ones only."""
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
    """The cause is the same for every order of the input."""
    states, depends_on = graph
    shuffled = {name: states[name] for name in data.draw(st.permutations(list(states)))}
    turned = {name: list(reversed(others)) for name, others in depends_on.items()}

    assert find_causes(states, depends_on) == find_causes(shuffled, turned)


@given(graph=graphs())
def test_a_cause_fails_and_has_none_itself(graph: tuple[dict[str, State], dict[str, list[str]]]) -> None:
    """Causes are failing components without a failing dependency."""
    states, depends_on = graph
    causes = find_causes(states, depends_on)

    for name, cause in causes.items():
        assert states[name] in FAILING
        assert states[cause] in FAILING
        assert cause not in causes
        assert cause != name


@given(graph=graphs())
def test_a_failure_without_a_failing_dependency_has_no_cause(
    graph: tuple[dict[str, State], dict[str, list[str]]],
) -> None:
    """Every failure either is a cause or has one."""
    states, depends_on = graph
    causes = find_causes(states, depends_on)

    for name, state in states.items():
        has_failing = any(states[other] in FAILING for other in depends_on[name])
        assert (name in causes) == (state in FAILING and has_failing)


def test_a_chain_has_one_cause() -> None:
    """Of three failures in a chain, the last is the cause of the others."""
    states = {"gateway": State.DOWN, "auth": State.DOWN, "postgres": State.DOWN}
    depends_on = {"gateway": ["auth"], "auth": ["postgres"], "postgres": []}

    assert find_causes(states, depends_on) == {"gateway": "postgres", "auth": "postgres"}


def test_a_working_component_separates_failures() -> None:
    """A failure is not a cause across a component that works."""
    states = {"gateway": State.DOWN, "auth": State.UP, "postgres": State.DOWN}

    assert find_causes(states, {"gateway": ["auth"], "auth": ["postgres"], "postgres": []}) == {}


def test_long_chains() -> None:
    """A chain of a thousand does not exceed the recursion limit."""
    names = [str(index) for index in range(1000)]
    depends_on = {name: [str(int(name) + 1)] if int(name) < 999 else [] for name in names}

    causes = find_causes(dict.fromkeys(names, State.DOWN), depends_on)

    assert {"999"} == set(causes.values())
    assert find_cycle(depends_on) is None


def test_finds_a_cycle() -> None:
    """The cycle is returned in the direction of the dependencies."""
    cycle = find_cycle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]})

    assert cycle is not None
    assert {"a", "b", "c"} == set(cycle)
    assert cycle[0] == cycle[-1]

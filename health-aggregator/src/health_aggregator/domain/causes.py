"""Finds failures that are caused by the failure of a dependency."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from health_aggregator.domain.evaluation import FAILING
from health_aggregator.domain.state import State

# Of several causes, the most certain failure comes first.
_BLAME = {State.DOWN: 0, State.RECOVERING: 1, State.FLAPPING: 2, State.STALE: 3}


def find_causes(states: Mapping[str, State], depends_on: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Returns the root cause of each failure that has one.

    A cause is a failing component, reached through failing ones only, whose own dependencies all
    work. Of several, the most certain wins, then the first by name, so that the result does not
    depend on the order of the input.

    Args:
        states: The damped state of each component.
        depends_on: The dependencies of each, without a cycle; unknown names are ignored.

    Returns:
        For each failing component with a failing dependency, the name of its cause.
    """
    failing = {name for name, state in states.items() if state in FAILING}
    edges = {name: [other for other in depends_on.get(name, ()) if other in failing] for name in failing}
    causes: dict[str, str] = {}
    for name in TopologicalSorter(edges).static_order():
        # In this order the causes of all dependencies are known already.
        candidates = [causes.get(other, other) for other in edges[name]]
        if candidates:
            causes[name] = min(candidates, key=lambda other: (_BLAME[states[other]], other))
    return causes


def find_cycle(depends_on: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """Returns the names along a cycle of dependencies; None when there is none."""
    try:
        TopologicalSorter(depends_on).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return None

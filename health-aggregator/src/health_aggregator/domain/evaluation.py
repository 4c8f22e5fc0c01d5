"""Evaluates the whole system: the worst of what its components mean for it.

Worst-of is commutative, associative and idempotent, so the order of components cannot matter;
tests prove it.
"""

from collections.abc import Iterable

from chassis.dataclass import dataclass

from health_aggregator.domain.state import State, Status

FAILING = frozenset({State.DOWN, State.RECOVERING, State.FLAPPING, State.STALE})
_RANK = {Status.HEALTHY: 0, Status.DEGRADED: 1, Status.UNHEALTHY: 2}


@dataclass(frozen=True, slots=True)
class ComponentState:
    """What the evaluation needs to know of one component.

    Attributes:
        state: Its damped state.
        critical: Whether the system is unhealthy without it.
        degraded: Whether it responds, but not as well as it should.
    """

    state: State
    critical: bool
    degraded: bool = False


def severity(component: ComponentState) -> Status:
    """Returns what one component means for the system.

    `suspect` still counts as up, so that one lost packet changes nothing; `recovering` still counts
    as down. A component whose state is not known (`unknown`, `stale`) never makes the system healthy
    or unhealthy. A flapping component works part of the time: degraded.
    """
    match component.state:
        case State.DISABLED:
            return Status.HEALTHY
        case State.DOWN | State.RECOVERING:
            return Status.UNHEALTHY if component.critical else Status.DEGRADED
        case State.UNKNOWN | State.STALE | State.FLAPPING:
            return Status.DEGRADED
        case State.UP | State.SUSPECT:
            return Status.DEGRADED if component.degraded else Status.HEALTHY


def worst(first: Status, second: Status) -> Status:
    """Returns the worse of two."""
    return first if _RANK[first] >= _RANK[second] else second


def evaluate(components: Iterable[ComponentState]) -> Status:
    """Returns the status of a system with these components; healthy when there are none."""
    status = Status.HEALTHY
    for component in components:
        status = worst(status, severity(component))
    return status

"""The verdict on the whole system: the worst of what its components mean for it.

Worst-of is commutative, associative and idempotent, so the order in which anything arrives
cannot matter; tests prove it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from health_aggregator.domain.state import State, Status

FAILING = frozenset({State.DOWN, State.RECOVERING, State.FLAPPING, State.STALE})
_RANK = {Status.HEALTHY: 0, Status.DEGRADED: 1, Status.UNHEALTHY: 2}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the judgement needs to know of one component.

    Attributes:
        state: Its damped state.
        critical: Whether the system is unhealthy without it.
        degraded: Whether it answers, but not as well as it should.
    """

    state: State
    critical: bool
    degraded: bool = False


def severity(standing: Standing) -> Status:
    """Returns what one component means for the system.

    `suspect` still counts as up, since one lost packet must not flip anything; `recovering` still
    counts as down. What is not known (`unknown`, `stale`) is never healthy and never a verdict of
    unhealthy either. A flapping component works part of the time: degraded.
    """
    match standing.state:
        case State.DISABLED:
            return Status.HEALTHY
        case State.DOWN | State.RECOVERING:
            return Status.UNHEALTHY if standing.critical else Status.DEGRADED
        case State.UNKNOWN | State.STALE | State.FLAPPING:
            return Status.DEGRADED
        case State.UP | State.SUSPECT:
            return Status.DEGRADED if standing.degraded else Status.HEALTHY


def worst(first: Status, second: Status) -> Status:
    """Returns the worse of two."""
    return first if _RANK[first] >= _RANK[second] else second


def judge(standings: Iterable[Standing]) -> Status:
    """Returns the state of a system with these components; healthy when there are none."""
    verdict = Status.HEALTHY
    for standing in standings:
        verdict = worst(verdict, severity(standing))
    return verdict

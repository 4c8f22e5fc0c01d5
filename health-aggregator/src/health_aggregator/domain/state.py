"""States of components and of the whole system, and changes of state."""

from datetime import datetime
from enum import Enum

from chassis.dataclass import dataclass


class State(Enum):
    """The state of a component, after damping."""

    UNKNOWN = "unknown"
    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"
    RECOVERING = "recovering"
    FLAPPING = "flapping"
    STALE = "stale"
    DISABLED = "disabled"


class Status(Enum):
    """The state of the whole system."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Change:
    """A component's change from one state to another.

    Attributes:
        sequence: Position among all changes of this process, from 1.
        name: The component.
        state: Its new state.
        previous: Its state before.
        at: Time of the change.
        error: What is wrong now.
        caused_by: The component whose failure explains it.
    """

    sequence: int
    name: str
    state: State
    previous: State
    at: datetime
    error: str | None = None
    caused_by: str | None = None

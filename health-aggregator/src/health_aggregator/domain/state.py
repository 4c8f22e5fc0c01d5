"""The words in which health is spoken of: states, outcomes of checks, and changes."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class State(Enum):
    """What a component is called after damping."""

    UNKNOWN = "unknown"
    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"
    RECOVERING = "recovering"
    FLAPPING = "flapping"
    STALE = "stale"
    DISABLED = "disabled"


class Status(Enum):
    """What the whole system is called."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Outcome(Enum):
    """What one check found, before any damping."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check of one target found.

    Attributes:
        outcome: The finding.
        latency_seconds: How long the check took.
        error: Why it is not simply up, in public words: no host name, no credential, no text of the target's.
        detail: The inner story, for admins and the log.
        silent: Whether nothing at all came back, so that the observer itself may be the one cut off.
    """

    outcome: Outcome
    latency_seconds: float
    error: str | None = None
    detail: str | None = None
    silent: bool = False

    @property
    def success(self) -> bool:
        """Whether the target does its work, well or not so well."""
        return self.outcome is not Outcome.DOWN


@dataclass(frozen=True, slots=True)
class Change:
    """A component went from one state to another.

    Attributes:
        sequence: Position among all changes of this process, from 1 on.
        name: The component.
        state: Its state now.
        previous: Its state before.
        at: When.
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


def timed_out(timeout_seconds: float) -> str:
    """Returns the public words for an answer that did not come in time."""
    return f"no answer within {timeout_seconds:.3g} s"

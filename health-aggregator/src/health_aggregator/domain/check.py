"""Checks of targets: their results, and the ports that run them."""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from chassis.dataclass import dataclass

from health_aggregator.domain.target import Target


class Outcome(Enum):
    """The outcome of one check, before damping."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check of one target.

    Attributes:
        outcome: The outcome.
        latency_seconds: Duration of the check.
        error: Why it is not up. Public: no host name, no credential, no text from the target.
        detail: Further text for admins and the log.
        silent: Whether the target sent nothing at all, so that the network of this process may be at fault.
    """

    outcome: Outcome
    latency_seconds: float
    error: str | None = None
    detail: str | None = None
    silent: bool = False

    @property
    def success(self) -> bool:
        """Whether the target works, fully or degraded."""
        return self.outcome is not Outcome.DOWN


class Check(Protocol):
    """Checks one target, repeatedly."""

    async def __call__(self, timeout_seconds: float) -> CheckResult:
        """Checks once. Failures of the target are results, not exceptions. It may be cancelled."""
        ...

    async def close(self) -> None:
        """Closes every connection."""
        ...


class CheckFactory(Protocol):
    """Creates the check of a target."""

    def __call__(self, target: Target, wake: Callable[[], None]) -> Check:
        """Returns the check; it calls `wake` when it learns of a change between two checks."""
        ...


def timed_out(timeout_seconds: float) -> str:
    """Returns the public error of a timeout."""
    return f"no answer within {timeout_seconds:.3g} s"

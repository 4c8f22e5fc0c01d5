"""What the use cases need from the world."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from health_aggregator.domain.figures import Reading
from health_aggregator.domain.history import Observation, Period, Resolution
from health_aggregator.domain.state import Change, CheckResult
from health_aggregator.domain.target import Target


class Check(Protocol):
    """Checks one target again and again."""

    async def __call__(self, timeout_seconds: float) -> CheckResult:
        """Looks once; never raises for what the target does, and may be cancelled."""
        ...

    async def close(self) -> None:
        """Gives back every connection."""
        ...


class CheckFactory(Protocol):
    """Makes the check of a target."""

    def __call__(self, target: Target, wake: Callable[[], None]) -> Check:
        """Returns the check; it calls `wake` when it learns, between two looks, that something changed."""
        ...


class ChangePublisher(Protocol):
    """Tells every listener of changes."""

    def publish(self, changes: Sequence[Change]) -> None:
        """Hands over changes, in order; never waits."""
        ...


class Ear(Protocol):
    """Hears of single results."""

    def heard(self, target: Target, result: CheckResult) -> None:
        """Takes note of a result that is on the board now; never waits."""
        ...


class Watchdog(Protocol):
    """Hears of what went wrong on our own side."""

    def discarded(self, target: Target, result: CheckResult) -> None:
        """Takes note of a failure that is not believed: this process itself had slept."""
        ...

    def broken(self, target: Target, error: Exception) -> None:
        """Takes note of a fault in the check itself."""
        ...


class Changes(Protocol):
    """The changes of the recent past, for any number of listeners, each at its own place."""

    async def wait(self, position: int) -> None:
        """Returns when there is a change behind a position."""
        ...

    def since(self, position: int) -> list[Change] | None:
        """Returns the changes behind a position, or None when some of them are forgotten."""
        ...

    def event_id(self, position: int) -> str:
        """Returns the name of a position for clients."""
        ...

    def position(self, event_id: str) -> int | None:
        """Returns the position that an id names, or None when it is not one of ours."""
        ...


class HistoryStore(Protocol):
    """Keeps observations for a day, their sums by minute, hour and day, and changes, for 90 days."""

    async def append(self, observations: Sequence[Observation], changes: Sequence[Change]) -> bool:
        """Adds what was seen, and sums it up.

        Returns:
            False when another aggregator is the writer, and nothing was added.

        Raises:
            Unavailable: the store cannot be reached; nothing was added.
        """
        ...

    async def prune(self, now: datetime) -> None:
        """Forgets what is older than it may be."""
        ...

    async def periods(self, resolution: Resolution, since: datetime) -> list[Period]:
        """Returns the sums of every component since a moment, oldest first."""
        ...

    async def changes(self, since: datetime, limit: int) -> list[Change]:
        """Returns the newest changes since a moment, oldest first."""
        ...


class MetricsSource(Protocol):
    """Everything that tells figures about itself."""

    async def __call__(self) -> Mapping[str, Sequence[Reading]]:
        """Asks each process of each service once; what does not answer is left out."""
        ...

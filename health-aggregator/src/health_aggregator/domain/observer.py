"""The observer: receives every check result and every change of a component's state."""

from collections.abc import Sequence

from health_aggregator.domain.check import CheckResult
from health_aggregator.domain.state import Change
from health_aggregator.domain.target import Target


class Observer:
    """Ignores everything; subclasses override what they need. No method may block."""

    def checked(self, target: Target, result: CheckResult) -> None:
        """A result was recorded on the board."""

    def discarded(self, target: Target, result: CheckResult) -> None:
        """A failure was ignored, because this process itself was suspended during the check."""

    def failed(self, target: Target, error: Exception) -> None:
        """A check raised an exception."""

    def changed(self, changes: Sequence[Change]) -> None:
        """Components changed their states, in this order."""


class Observers(Observer):
    """Passes everything on to several observers, in order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def checked(self, target: Target, result: CheckResult) -> None:
        """Passes a result on."""
        for observer in self._observers:
            observer.checked(target, result)

    def discarded(self, target: Target, result: CheckResult) -> None:
        """Passes an ignored failure on."""
        for observer in self._observers:
            observer.discarded(target, result)

    def failed(self, target: Target, error: Exception) -> None:
        """Passes an exception on."""
        for observer in self._observers:
            observer.failed(target, error)

    def changed(self, changes: Sequence[Change]) -> None:
        """Passes changes on."""
        for observer in self._observers:
            observer.changed(changes)

"""The port that is notified of how answers go."""

from enum import Enum
from typing import Protocol


class Outcome(Enum):
    """How an answer ended."""

    ANSWERED = "answered"
    PASSAGES_ONLY = "passages_only"
    """No language model is configured."""
    NOTHING_FOUND = "nothing_found"
    """There were no passages to answer from."""
    TRUNCATED = "truncated"
    TOO_SLOW = "too_slow"
    UNAVAILABLE = "unavailable"
    ABANDONED = "abandoned"
    """The client left."""


class AnswerObserver(Protocol):
    """Is notified of numbers, never of texts."""

    def begun(self, seconds: float) -> None:
        """The model has begun to write, so long after it was asked."""
        ...

    def ended(self, outcome: Outcome, dropped: int) -> None:
        """An answer has ended; `dropped` citations were left out."""
        ...

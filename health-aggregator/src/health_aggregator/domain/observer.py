"""Doubts the observer before it doubts everything else.

When nothing answers any more, the likeliest broken part is the one link that all observations
share: our own. A target that refuses a connection or answers nonsense has answered; only silence
(a timeout, no route, no name) is open to doubt.
"""

from dataclasses import dataclass

FEWEST_WITNESSES = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """What all targets but the observer itself tell about it.

    Attributes:
        witnesses: How many are watched.
        silent: How many of them are silent now.
        answered_at: Monotonic time of the last answer of any of them, whatever it said; None before
            the first.
    """

    witnesses: int
    silent: int
    answered_at: float | None

    @property
    def nothing_answers(self) -> bool:
        """Whether everything fell silent that had answered before.

        Fewer than three witnesses prove nothing: then each one's silence is its own.
        """
        return self.witnesses >= FEWEST_WITNESSES and self.silent == self.witnesses and self.heard

    @property
    def heard(self) -> bool:
        """Whether anything ever answered."""
        return self.answered_at is not None

    def incriminates(self, silent_since: float) -> bool:
        """Returns whether a target silent since then is itself to blame: another one has answered since."""
        if self.witnesses < FEWEST_WITNESSES or self.answered_at is None:
            return True
        return self.answered_at >= silent_since

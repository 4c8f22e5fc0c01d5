"""Detects that this process itself has lost its network.

When no target responds any more, the likeliest fault is what all checks share: our own network. A
target that refuses a connection or sends nonsense has responded; only silence (a timeout, no route,
no name) is in doubt.
"""

from chassis.dataclass import dataclass

FEWEST_TARGETS = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the other targets show about the network of this process.

    Attributes:
        targets: How many other targets are checked.
        silent: How many of them are silent now.
        answered_at: Monotonic time of the last response of any of them; None before the first.
    """

    targets: int
    silent: int
    answered_at: float | None

    @property
    def nothing_answers(self) -> bool:
        """Whether all targets became silent after at least one had responded.

        Fewer than three targets prove nothing: then each silence counts as the target's own.
        """
        return self.targets >= FEWEST_TARGETS and self.silent == self.targets and self.answered_at is not None

    def proves_target_down(self, silent_since: float) -> bool:
        """Returns whether a target, silent since then, is itself at fault: another has responded since."""
        if self.targets < FEWEST_TARGETS or self.answered_at is None:
            return True
        return self.answered_at >= silent_since

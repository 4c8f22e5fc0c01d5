"""Takes up what is to be watched, at the start and whenever it changes; a faulty list changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.target import Target
from health_aggregator.usecases.keep_watch import KeepWatch


@dataclass(frozen=True, slots=True)
class TakeUpTargets:
    """Reads the targets anew.

    Attributes:
        read: Returns them, or raises `TargetsRefused`.
        refused: EncodedResponse of a faulty list.
        taken: Called once a list is taken up, with it.
    """

    keep_watch: KeepWatch
    read: Callable[[], Sequence[Target]]
    refused: Callable[[TargetsRefused], None]
    taken: Callable[[Sequence[Target]], None]

    async def __call__(self) -> bool:
        """Returns whether the present list was taken up; otherwise the old one stays."""
        try:
            targets = self.read()
        except TargetsRefused as error:
            self.refused(error)
            return False
        if tuple(targets) != self.keep_watch.board.targets:
            await self.keep_watch.take_up(targets)
        self.taken(targets)
        return True

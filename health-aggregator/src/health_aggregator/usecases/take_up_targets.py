"""Takes up what is to be watched, at the start and whenever it changes; a faulty list changes nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.target import Target
from health_aggregator.domain.target_list import check_dependencies, overlay
from health_aggregator.usecases.keep_watch import KeepWatch


@dataclass(frozen=True, slots=True)
class TakeUpTargets:
    """Reads every source of targets anew.

    Attributes:
        sources: Later ones win where a name comes twice.
        refused: Told of a faulty list.
    """

    keep_watch: KeepWatch
    sources: Sequence[Callable[[], Sequence[Target]]]
    refused: Callable[[TargetsRefused], None]

    async def __call__(self) -> bool:
        """Returns whether the present lists were taken up; otherwise the old ones stay."""
        try:
            targets = overlay(*(source() for source in self.sources))
            check_dependencies("targets", targets)
        except TargetsRefused as error:
            self.refused(error)
            return False
        if tuple(targets) != self.keep_watch.board.targets:
            await self.keep_watch.take_up(targets)
        return True

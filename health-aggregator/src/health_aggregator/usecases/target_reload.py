"""Reloading the list of targets, at the start and whenever it changes."""

from collections.abc import Callable, Sequence

from chassis.component import Component

from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.target import Target
from health_aggregator.usecases.check_scheduler import CheckScheduler


class ReloadTargets(Component):
    """Reads the targets and checks them from now on; a faulty list changes nothing.

    Attributes:
        read: Returns the targets, or raises `TargetsRefused`.
        refused: Called with the error of a faulty list.
        applied: Called when a list has been applied.
    """

    scheduler: CheckScheduler
    read: Callable[[], Sequence[Target]]
    refused: Callable[[TargetsRefused], None]
    applied: Callable[[], None]

    async def __call__(self) -> bool:
        """Returns whether the list was applied; otherwise the previous one stays."""
        try:
            targets = self.read()
        except TargetsRefused as error:
            self.refused(error)
            return False
        await self.scheduler.set_targets(targets)
        self.applied()
        return True

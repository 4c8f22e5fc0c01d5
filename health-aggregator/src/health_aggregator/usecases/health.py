"""Reading the health of the system from the board; it costs no check."""

import asyncio

from chassis.dataclass import dataclass

from chassis import component
from health_aggregator.domain.board import Board, Component
from health_aggregator.domain.state import State, Status
from health_aggregator.usecases.checks import CheckAll

_FIRST_RESULTS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Health:
    """The health of the system at one time.

    Attributes:
        sequence: Position of the last change that it contains.
        status: Status of the system.
        components: Every component.
    """

    sequence: int
    status: Status
    components: tuple[Component, ...]


class GetHealth(component.Component):
    """Returns the health of the system."""

    board: Board
    check_all: CheckAll

    async def __call__(self) -> Health:
        """Returns the current health; shortly after the start, waits for the first results."""
        if any(component.state is State.UNKNOWN for component in self.board.components()):
            await asyncio.wait((asyncio.ensure_future(self.check_all()),), timeout=_FIRST_RESULTS_SECONDS)
        return self.now()

    def now(self) -> Health:
        """Returns the current health without waiting."""
        return Health(self.board.sequence, self.board.status(), self.board.components())

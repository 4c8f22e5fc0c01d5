"""Says how everything is, from the board: a caller costs no check."""

import asyncio
from dataclasses import dataclass

from health_aggregator.domain.board import Board, Component
from health_aggregator.domain.state import State, Status
from health_aggregator.usecases.sweep import Sweep

_FIRST_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Health:
    """The whole state at one moment.

    Attributes:
        sequence: Position of the last change that is in it.
        status: The judgement.
        components: Every component.
    """

    sequence: int
    status: Status
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class GetHealth:
    """Reads the board."""

    board: Board
    sweep: Sweep

    async def __call__(self) -> Health:
        """Returns the present state; right after the start, waits a moment for the first results."""
        if any(component.state is State.UNKNOWN for component in self.board.components()):
            await asyncio.wait((asyncio.ensure_future(self.sweep()),), timeout=_FIRST_LOOK_SECONDS)
        return self.now()

    def now(self) -> Health:
        """Returns the present state, known or not."""
        return Health(self.board.sequence, self.board.status(), self.board.components())

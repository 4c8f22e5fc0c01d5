"""Hands changes to any number of listeners, of whom some never listen.

There is one ring of changes for all; a listener is no more than its place in it. Who falls so far
behind that the ring has moved on is told to start anew from the whole state.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence

from health_aggregator.domain.state import Change

KEPT_CHANGES = 1024
_DIGITS = 15


class ChangeFeed:
    """The ring of changes."""

    def __init__(self, kept: int = KEPT_CHANGES) -> None:
        self._changes: deque[Change] = deque(maxlen=kept)
        self._turn = asyncio.Event()
        # Positions of another process mean nothing here.
        self._epoch = secrets.token_hex(4)

    def publish(self, changes: Sequence[Change]) -> None:
        """Wakes every listener."""
        self._changes.extend(changes)
        self._turn.set()
        self._turn = asyncio.Event()

    async def wait(self, position: int) -> None:
        """Returns when there is a change behind a position."""
        while not self._changes or self._changes[-1].sequence <= position:
            await self._turn.wait()

    def since(self, position: int) -> list[Change] | None:
        """Returns the changes behind a position, or None when some of them are forgotten."""
        missed = [change for change in self._changes if change.sequence > position]
        if missed and missed[0].sequence != position + 1:
            return None
        return missed

    def event_id(self, position: int) -> str:
        """Returns the name of a position for clients."""
        return f"{self._epoch}-{position}"

    def position(self, event_id: str) -> int | None:
        """Returns the position that an id names, or None when it is not one of ours."""
        epoch, _, digits = event_id.partition("-")
        if epoch != self._epoch or not digits.isascii() or not digits.isdigit() or len(digits) > _DIGITS:
            return None
        return int(digits)

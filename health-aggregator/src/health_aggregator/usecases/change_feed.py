"""The recent changes, for any number of listeners.

All listeners share one ring buffer; a listener is only a position in it, so one that never reads
costs nothing. A listener that falls behind the buffer has to start again from the whole state.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence

from health_aggregator.domain.observer import Observer
from health_aggregator.domain.state import Change

KEPT_CHANGES = 1024
_DIGITS = 15


class ChangeFeed(Observer):
    """The ring buffer of changes."""

    def __init__(self, kept: int = KEPT_CHANGES) -> None:
        self._changes: deque[Change] = deque(maxlen=kept)
        self._next = asyncio.Event()
        # Positions of another process are not valid here.
        self._epoch = secrets.token_hex(4)

    def changed(self, changes: Sequence[Change]) -> None:
        """Adds changes and wakes every listener."""
        self._changes.extend(changes)
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, position: int) -> None:
        """Returns when there is a change after a position."""
        while not self._changes or self._changes[-1].sequence <= position:
            await self._next.wait()

    def since(self, position: int) -> list[Change] | None:
        """Returns the changes after a position; None when some of them are no longer buffered."""
        missed = [change for change in self._changes if change.sequence > position]
        if missed and missed[0].sequence != position + 1:
            return None
        return missed

    def event_id(self, position: int) -> str:
        """Returns a position as an event id for clients."""
        return f"{self._epoch}-{position}"

    def position(self, event_id: str) -> int | None:
        """Returns the position of an event id; None when it is not from this process."""
        epoch, _, digits = event_id.partition("-")
        if epoch != self._epoch or not digits.isascii() or not digits.isdigit() or len(digits) > _DIGITS:
            return None
        return int(digits)

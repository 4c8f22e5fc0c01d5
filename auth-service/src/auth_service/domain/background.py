"""Work that a response does not wait for."""

from collections.abc import Awaitable, Callable
from typing import Protocol


class Background(Protocol):
    """Does work that an answer need not wait for, and must not tell of by its time."""

    async def __call__(self, work: Callable[[], Awaitable[None]]) -> None:
        """Returns at once. The work is dropped, and counted, when too much is left to do."""
        ...

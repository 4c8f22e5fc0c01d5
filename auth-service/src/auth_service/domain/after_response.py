"""Work that a response does not wait for."""

from collections.abc import Awaitable, Callable
from typing import Protocol


class AfterResponse(Protocol):
    """Runs work after the response, whose time must not reveal it."""

    async def __call__(self, work: Callable[[], Awaitable[None]]) -> None:
        """Queues the work; drops and counts it when the queue is full."""
        ...

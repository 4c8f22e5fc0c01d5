"""Exponential back-off with jitter, so that clients do not all retry at the same time."""

import asyncio
import random


class Backoff:
    """Pauses between attempts; each is twice as long as the last, up to a limit, until `reset`."""

    def __init__(self, *, first_seconds: float = 0.05, limit_seconds: float = 5.0) -> None:
        self._first_seconds = first_seconds
        self._limit_seconds = limit_seconds
        self._next_seconds = first_seconds

    def reset(self) -> None:
        """Starts again with the shortest pause; call it after a success."""
        self._next_seconds = self._first_seconds

    async def pause(self) -> None:
        """Waits between half of the current pause and all of it."""
        await asyncio.sleep(self._next_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        self._next_seconds = min(self._next_seconds * 2, self._limit_seconds)

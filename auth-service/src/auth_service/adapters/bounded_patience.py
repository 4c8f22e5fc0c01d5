"""Waiting that is cheap, and bounded all the same."""

import asyncio

from chassis.errors import Unavailable

WAITING_MAX = 256


class BoundedPatience:
    """Lets a limited number of calls wait."""

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self._waiting_max = waiting_max
        self._waiting = 0

    async def __call__(self, seconds: float) -> None:
        """Returns after that time; at once for 0.

        Raises:
            Unavailable: too many wait already.
        """
        if seconds <= 0:
            return
        if self._waiting >= self._waiting_max:
            raise Unavailable
        self._waiting += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1

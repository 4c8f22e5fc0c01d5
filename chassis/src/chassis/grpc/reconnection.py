"""What a call that could not be sent does: it waits a moment for a connection, and is then sent.

Pods go and come, and their names are learned late. A call that nobody has seen can be made again
whatever it does, so a client that knows only pods that have left finds others at the price of time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

RECONNECT_SECONDS = 2.0
"""How long into an outage calls wait for a connection: gRPC asks DNS again after one second."""

_SHARE_OF_DEADLINE = 0.6


class Reconnection:
    """Waits for one channel's connection, for the first seconds of an outage; later calls fail at once.

    Args:
        until_connected: Returns when the channel is connected.
        within_seconds: How long into an outage calls wait.
    """

    def __init__(
        self, until_connected: Callable[[], Awaitable[None]], within_seconds: float = RECONNECT_SECONDS
    ) -> None:
        self._until_connected = until_connected
        self._within_seconds = within_seconds
        self._lost_at: float | None = None
        self._attempt: asyncio.Task[None] | None = None

    def answered(self) -> None:
        """Takes note that a call got through: there is no outage."""
        self._lost_at = None

    async def wait(self, left_seconds: float | None) -> bool:
        """Waits for a connection.

        Args:
            left_seconds: What the call has left; a part of it stays for the call itself.

        Returns:
            Whether there is one, so that the call can be made again.
        """
        now = monotonic()
        if self._lost_at is None:
            self._lost_at = now
        seconds = self._lost_at + self._within_seconds - now
        if left_seconds is not None:
            seconds = min(seconds, left_seconds * _SHARE_OF_DEADLINE)
        if seconds <= 0:
            return False
        if self._attempt is None or self._attempt.done():
            self._attempt = asyncio.ensure_future(self._connect())
        await asyncio.wait([self._attempt], timeout=seconds)
        return self._attempt.done() and not self._attempt.cancelled() and self._attempt.exception() is None

    def close(self) -> None:
        """Ends the waiting."""
        if self._attempt is not None:
            self._attempt.cancel()

    async def _connect(self) -> None:
        async with asyncio.timeout(self._within_seconds):
            await self._until_connected()

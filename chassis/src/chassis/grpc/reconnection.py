"""Lets a call that could not be sent wait briefly for a connection.

Clients learn late of pods that stop and start. A call that was never sent can be retried whatever it does, so
a client that only knows stopped pods waits for new ones rather than failing.
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
        """Records that a call succeeded: there is no outage."""
        self._lost_at = None

    async def wait(self, left_seconds: float | None) -> bool:
        """Waits for a connection.

        Args:
            left_seconds: The call's remaining time, of which a part is kept for the call itself.

        Returns:
            Whether there is one, so that the call can be retried.
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
        """Stops waiting."""
        if self._attempt is not None:
            self._attempt.cancel()

    async def _connect(self) -> None:
        async with asyncio.timeout(self._within_seconds):
            await self._until_connected()

"""Lets a call that could not be sent wait briefly for a connection, over which it is sent.

Clients learn late of pods that stop and start. A call that was never sent can be retried whatever it does, so
a client that only knows stopped pods waits for new ones rather than failing.

gRPC asks DNS again when connections close, but not when all pods that it knows report that they stop, and
after failed lookups it pauses for up to two minutes. A new channel asks at once.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from time import monotonic

RECONNECT_SECONDS = 3.0
"""How long into an outage calls wait for a connection."""

LOOKUP_SECONDS = 1.5
"""How long a new channel gets to connect before another one asks DNS again."""

PAUSE_SECONDS = 2.0
"""Minimum time from an attempt that failed to the next one."""

_SHARE_OF_DEADLINE = 0.6


class Reconnection:
    """Replaces the channel in an outage, and lets calls wait until the new one is connected.

    All calls wait for the first attempt of an outage. Later attempts are made for one call each, and the
    others fail at once.

    Args:
        replace_channel: Opens a new channel.
        until_connected: Returns when the current channel is connected.
        within_seconds: How long an attempt lasts.
    """

    def __init__(
        self,
        replace_channel: Callable[[], None],
        until_connected: Callable[[], Awaitable[None]],
        within_seconds: float = RECONNECT_SECONDS,
    ) -> None:
        self._replace_channel = replace_channel
        self._until_connected = until_connected
        self._within_seconds = within_seconds
        self._attempt: asyncio.Task[bool] | None = None
        self._failed_at = -math.inf
        self._failing = False

    def answered(self) -> None:
        """Records that the service answered a call: there is no outage."""
        self._failing = False
        self._failed_at = -math.inf

    async def wait(self, left_seconds: float | None) -> bool:
        """Waits for a connection.

        Args:
            left_seconds: The call's remaining time, of which a part is kept for the call itself.

        Returns:
            Whether there is one, so that the call can be retried.
        """
        attempt = self._attempt
        if attempt is None or attempt.done():
            if monotonic() - self._failed_at < PAUSE_SECONDS:
                return False
            attempt = self._attempt = asyncio.ensure_future(self._connect())
        elif self._failing:
            return False
        timeout = None if left_seconds is None else left_seconds * _SHARE_OF_DEADLINE
        # Another call may begin the next attempt before this one learns how its own ended.
        await asyncio.wait([attempt], timeout=timeout)
        return attempt.done() and not attempt.cancelled() and attempt.result()

    def close(self) -> None:
        """Stops waiting."""
        if self._attempt is not None:
            self._attempt.cancel()

    async def _connect(self) -> bool:
        try:
            async with asyncio.timeout(self._within_seconds):
                while not await self._connects():
                    pass
        except TimeoutError:
            self._failing = True
            self._failed_at = monotonic()
            return False
        return True

    async def _connects(self) -> bool:
        self._replace_channel()
        try:
            await asyncio.wait_for(self._until_connected(), LOOKUP_SECONDS)
        except TimeoutError:
            return False
        return True

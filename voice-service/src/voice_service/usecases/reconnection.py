"""What is done about a lost speech backend: one reconnection, which outlasts a restart of the backend."""

from time import monotonic

from chassis.backoff import Backoff

from voice_service.domain.backends import BackendLost, BackendUnreachable

RECONNECT_SECONDS = 8.0
"""How long a backend may be out of reach. With two attempts of 20 s this is less than the minute after which
the gateway closes a session that nothing comes from."""


class Reconnection:
    """The one reconnection of an utterance or a sentence: at once, and again while nothing can be reached."""

    def __init__(self) -> None:
        self._gives_up_at: float | None = None
        self._backoff = Backoff(first_seconds=0.2, limit_seconds=1.0)

    async def wait(self, error: BackendLost) -> None:
        """Returns when the next attempt is due.

        Args:
            error: What the last attempt failed by.

        Raises:
            BackendLost: the error, when no further attempt is due.
        """
        now = monotonic()
        if self._gives_up_at is None:
            self._gives_up_at = now + RECONNECT_SECONDS
        elif isinstance(error, BackendUnreachable) and now < self._gives_up_at:
            await self._backoff.pause()
        else:
            raise error

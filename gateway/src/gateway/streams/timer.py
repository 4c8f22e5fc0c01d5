"""When a stream ends by itself: when its lifetime is over, its token expires, or no messages come."""

import math
import time

from gateway.streams.bounds import Bounds
from gateway.streams.ends import EXPIRED, IDLE, LIFETIME, End

WARNING_SECONDS = 30.0
"""How long before its end a stream is warned, if it lasts longer than that."""


class StreamTimer:
    """The clock of one stream.

    Attributes:
        active_at: When the last message came that keeps the stream from being idle, by `time.monotonic()`.
    """

    def __init__(self, bounds: Bounds, token_seconds: float = math.inf) -> None:
        """Starts.

        Args:
            bounds: The method's.
            token_seconds: How long the caller's token is still valid.
        """
        self.active_at = time.monotonic()
        self._idle_seconds = bounds.idle_seconds
        self._ends_at = self.active_at + bounds.lifetime_seconds
        self._expires_at = self.active_at + token_seconds
        self._warned = self.seconds_left <= WARNING_SECONDS

    @property
    def seconds_left(self) -> float:
        """How long the stream may still last."""
        return max(0.0, min(self._ends_at, self._expires_at) - time.monotonic())

    @property
    def seconds_to_end(self) -> float:
        """How long until `end` has something to say, if no message comes."""
        due = min(self._ends_at, self._expires_at, self.active_at + self._idle_seconds)
        return max(0.0, due - time.monotonic())

    @property
    def seconds_to_next(self) -> float:
        """How long until `end` or `warning` has something to say."""
        if self._warned:
            return self.seconds_to_end
        return min(self.seconds_to_end, max(0.0, self.seconds_left - WARNING_SECONDS))

    @property
    def expires_soon(self) -> bool:
        """Whether the caller's token is nearly over, so that another one is to be expected."""
        return self._expires_at - time.monotonic() <= WARNING_SECONDS

    def end(self) -> End | None:
        """Returns why the stream is to end now; None when it goes on."""
        now = time.monotonic()
        if now >= self._ends_at:
            return LIFETIME
        if now >= self._expires_at:
            return EXPIRED
        return IDLE if now >= self.active_at + self._idle_seconds else None

    def warning(self) -> float | None:
        """Returns the seconds left, once, when the client is to be warned of the end."""
        left = self.seconds_left
        if self._warned or left > WARNING_SECONDS:
            return None
        self._warned = True
        return left

    def renew(self, token_seconds: float) -> None:
        """Counts from another token's expiry."""
        self._expires_at = time.monotonic() + token_seconds
        self._warned = self.seconds_left <= WARNING_SECONDS

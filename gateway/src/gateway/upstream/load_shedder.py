"""Client-side load shedding: makes few calls of a method while its service reports overload."""

import time

from chassis.errors import Unavailable
from prometheus_client import Counter

HOLD_SECONDS_MAX = 0.25
"""At most this long, whatever the service asks for: its other pods may have capacity."""

PACED_HOLDS = 10
"""For how many times as long as it asks for calls are spaced after a refusal."""

_HELD = Counter(
    "gateway_held_total",
    "Calls refused at once because their service had just reported overload.",
    ["method"],
)


class LoadShedder:
    """Spaces the calls of one method after the service refused one for overload.

    Under ten times more sign-ins than can be hashed, nine of ten calls would be made only to be refused,
    at 1 ms of processor time on each side. A service asks for the time in which it gets room for one more
    call. The first call is made after it, the next ones at ever shorter intervals: the service gets as many
    as it has room for, and one too many after a while, with which it starts again.
    """

    def __init__(self, method: str) -> None:
        """`method`: the name for the metric."""
        self._held = _HELD.labels(method)
        self._hold_seconds = 0.0
        self._refused_at = 0.0
        self._next_at = 0.0
        self._retry_after_seconds: float | None = None

    def check(self) -> None:
        """Returns if the service may be called now.

        Raises:
            Unavailable: it reported overload just now.
        """
        if self._hold_seconds and time.monotonic() < self._next_at:
            self._held.inc()
            raise Unavailable(retry_after_seconds=self._retry_after_seconds)

    def begin(self) -> None:
        """Returns if the service may be called now, and counts on its being called.

        Raises:
            Unavailable: it reported overload just now.
        """
        self.check()
        if self._hold_seconds:
            now = time.monotonic()
            passed = (now - self._refused_at) / (self._hold_seconds * PACED_HOLDS)
            if passed < 1:
                self._next_at = now + self._hold_seconds * (1 - passed)
            else:
                self._hold_seconds = 0.0

    def record(self, refusal: Unavailable) -> None:
        """Spaces calls by the time that a refusal says, if it does."""
        if refusal.hold_seconds:
            self._hold_seconds = min(refusal.hold_seconds, HOLD_SECONDS_MAX)
            self._refused_at = time.monotonic()
            self._next_at = self._refused_at + self._hold_seconds
            self._retry_after_seconds = refusal.retry_after_seconds

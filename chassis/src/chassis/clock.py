"""The current time, as a port."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

CLOCK_SKEW = timedelta(seconds=30)
"""How far the clocks of two processes may differ."""


class Clock(Protocol):
    """Returns the current time."""

    def now(self) -> datetime:
        """Returns the current time in UTC."""
        ...


class SystemClock:
    """The system's clock."""

    def now(self) -> datetime:
        """Returns the current time in UTC."""
        return datetime.now(UTC)

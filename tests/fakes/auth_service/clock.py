"""A clock in the test's hands."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self, time: datetime = datetime(2026, 11, 23, 10, tzinfo=UTC)) -> None:
        self.time = time

    def now(self) -> datetime:
        """Returns the present time in UTC."""
        return self.time

    def advance(self, wait: timedelta) -> None:
        """Moves on."""
        self.time += wait

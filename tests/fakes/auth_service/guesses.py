"""Wrong passwords in memory."""

from datetime import datetime, timedelta

from auth_service.domain.login_throttle import BLOCK, FAILURES_MAX, WINDOW, ThrottleKey, ThrottleState

from tests.fakes.auth_service.state import FakeClock, GuessRow, State


class FakeLoginThrottle:
    """`LoginThrottleRepository` in a dictionary."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._rows = state.guesses
        self._clock = clock

    async def state(self, key: ThrottleKey) -> ThrottleState:
        """Returns what is held against the client and the account now."""
        failures = sum(
            len(self._recent(row)) for known, row in self._rows.items() if known.account == key.account
        )
        return ThrottleState(blocked_for=self._blocked_for(key), failures=failures)

    async def reserve(self, key: ThrottleKey) -> ThrottleState:
        """Counts a guess before it is made, if the client has one left."""
        elsewhere = sum(
            len(self._recent(row))
            for known, row in self._rows.items()
            if known.account == key.account and known.client != key.client
        )
        row = self._rows.setdefault(key, GuessRow())
        recent = self._recent(row)
        blocked_for = self._blocked_for(key)
        if blocked_for is not None or len(recent) >= FAILURES_MAX:
            return ThrottleState(blocked_for=blocked_for, failures=elsewhere + len(recent))
        # Of two reservations at the same time, each is known from the other, as by Postgres' clock.
        counted_at = max([self._clock.now(), *(at + timedelta(microseconds=1) for at in recent)])
        row.failed_at, row.blocked_until = [*recent, counted_at], None
        return ThrottleState(failures=elsewhere + len(recent), counted_at=counted_at, is_first=not recent)

    async def confirm_failure(self, key: ThrottleKey) -> None:
        """Blocks the client when its guesses are used up."""
        row = self._rows.get(key)
        if row is not None and len(self._recent(row)) >= FAILURES_MAX and self._blocked_for(key) is None:
            row.blocked_until = self._clock.now() + BLOCK

    async def release(self, key: ThrottleKey, counted_at: datetime) -> None:
        """Takes back a guess that was counted and not made."""
        row = self._rows.get(key)
        if row is not None:
            row.failed_at = [at for at in row.failed_at if at != counted_at]

    async def count_failure(self, key: ThrottleKey) -> ThrottleState:
        """Counts a wrong password."""
        row = self._rows.setdefault(key, GuessRow())
        row.failed_at = [*self._recent(row)[-(FAILURES_MAX - 1) :], self._clock.now()]
        if self._blocked_for(key) is None:
            full = len(row.failed_at) >= FAILURES_MAX
            row.blocked_until = self._clock.now() + BLOCK if full else None
        return ThrottleState(blocked_for=self._blocked_for(key), failures=len(row.failed_at))

    async def reset(self, key: ThrottleKey) -> timedelta | None:
        """Forgets the client's failures, unless it is blocked."""
        blocked_for = self._blocked_for(key)
        if blocked_for is None:
            self._rows.pop(key, None)
        return blocked_for

    async def erase(self, account: bytes) -> None:
        """Forgets everything about an account."""
        for key in [known for known in self._rows if known.account == account]:
            del self._rows[key]

    def _recent(self, row: GuessRow) -> list[datetime]:
        return [at for at in row.failed_at if at > self._clock.now() - WINDOW]

    def _blocked_for(self, key: ThrottleKey) -> timedelta | None:
        row = self._rows.get(key)
        if row is None or row.blocked_until is None or row.blocked_until <= self._clock.now():
            return None
        return row.blocked_until - self._clock.now()

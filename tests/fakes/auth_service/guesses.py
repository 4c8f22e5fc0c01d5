"""Wrong passwords in memory."""

from datetime import datetime, timedelta

from auth_service.domain.guessing import BLOCK, FAILURES_MAX, WINDOW, GuessKey, GuessRecord

from tests.fakes.auth_service.state import FakeClock, GuessRow, State


class FakeGuesses:
    """`GuessRepository` in a dictionary."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._rows = state.guesses
        self._clock = clock

    async def record(self, key: GuessKey) -> GuessRecord:
        """Returns what is held against the client and the account now."""
        failures = sum(
            len(self._recent(row)) for known, row in self._rows.items() if known.account == key.account
        )
        return GuessRecord(blocked_for=self._blocked_for(key), failures=failures)

    async def note_failure(self, key: GuessKey) -> GuessRecord:
        """Counts a wrong password."""
        row = self._rows.setdefault(key, GuessRow())
        row.failed_at = [*self._recent(row)[-(FAILURES_MAX - 1) :], self._clock.now()]
        if self._blocked_for(key) is None:
            full = len(row.failed_at) >= FAILURES_MAX
            row.blocked_until = self._clock.now() + BLOCK if full else None
        return GuessRecord(blocked_for=self._blocked_for(key), failures=len(row.failed_at))

    async def forgive(self, key: GuessKey) -> timedelta | None:
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

    def _blocked_for(self, key: GuessKey) -> timedelta | None:
        row = self._rows.get(key)
        if row is None or row.blocked_until is None or row.blocked_until <= self._clock.now():
            return None
        return row.blocked_until - self._clock.now()

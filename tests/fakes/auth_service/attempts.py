"""First answers in memory, for all to read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from auth_service.domain.idempotency import Attempt, Question
from chassis.identity.caller import Caller

from tests.fakes.auth_service.state import AttemptRow, FakeClock, State

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class FakeAnswerSeal:
    """Names clients and what they ask legibly, and seals nothing."""

    def question(self, caller: Caller, key: str, asked: bytes) -> Question:
        """Returns the question."""
        client = caller.user_id or caller.client_address
        return Question(name=f"{client} {key}".encode(), fingerprint=asked, asker=caller.user_id)

    def seal(self, name: bytes, answer: bytes) -> bytes:
        """Returns the answer."""
        return answer

    def open(self, name: bytes, sealed_answer: bytes) -> bytes:
        """Returns the answer."""
        return sealed_answer


class FakeAttempts:
    """`AttemptRepository` in a dictionary."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._rows = state.attempts
        self._clock = clock

    async def begin(self, question: Question, attempt_id: UUID, lease: timedelta) -> Attempt:
        """Takes a question up, unless somebody is at it or has answered it."""
        until = self._clock.now() + lease
        row = self._rows.get(question.name)
        if row is None:
            attempt = Attempt(attempt_id=attempt_id, fingerprint=question.fingerprint)
            self._rows[question.name] = AttemptRow(attempt, question.asker, until)
            return replace(attempt, is_ours=True)
        known = row.attempt
        free = known.sealed_answer is None and row.leased_until < self._clock.now()
        if free and known.fingerprint == question.fingerprint:
            row.leased_until = until
            return replace(known, is_ours=True)
        return known

    async def settle(self, attempt_id: UUID, outcome: UUID) -> bool:
        """Notes what an attempt came to; says whether it is the first to."""
        for row in self._rows.values():
            if row.attempt.attempt_id == attempt_id and row.attempt.outcome is None:
                row.attempt = replace(row.attempt, outcome=outcome)
                return True
        return False

    async def answer(self, name: bytes, sealed_answer: bytes) -> None:
        """Keeps the answer of an attempt."""
        row = self._rows[name]
        if row.attempt.sealed_answer is None:
            row.attempt = replace(row.attempt, sealed_answer=sealed_answer)

    async def release(self, name: bytes) -> None:
        """Lets the next call take it up at once."""
        self._rows[name].leased_until = _LONG_AGO

    async def erase(self, user_id: UUID) -> None:
        """Forgets what a person asked."""
        for name, row in list(self._rows.items()):
            if user_id in (row.asker, row.attempt.attempt_id):
                del self._rows[name]

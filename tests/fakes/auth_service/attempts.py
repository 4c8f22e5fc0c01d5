"""First answers in memory, for all to read."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from auth_service.domain.idempotency import (
    SHARED_MAX,
    Attempt,
    Question,
    Request,
)
from chassis.identity.caller import Caller

from tests.fakes.auth_service.state import AttemptRow, FakeClock, State

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class FakeAnswerSeal:
    """Names clients and what they ask legibly, and seals nothing."""

    def questions(self, caller: Caller, key: str, request: Request) -> Sequence[Question]:
        """Returns the question."""
        return [self._question(caller, key, request)]

    def _question(self, caller: Caller, key: str, request: Request) -> Question:
        client = caller.user_id or caller.client_address
        is_shared = caller.user_id is None and request.proves
        return Question(
            name=f"{client} {key}".encode(),
            shared_name=f"{key} ".encode() + request.asked if is_shared else None,
            fingerprint=request.asked,
            asker=caller.user_id,
            session_id=caller.session_id,
        )

    def seal(self, name: bytes, answer: bytes) -> bytes:
        """Returns the answer."""
        return answer

    def open(self, name: bytes, sealed_answer: bytes) -> bytes:
        """Returns the answer."""
        return sealed_answer


class FakeAttempts:
    """`AttemptRepository` in a dictionary."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._state = state
        self._rows = state.attempts
        self._clock = clock

    async def known(self, question: Question) -> Sequence[Attempt]:
        """Returns the client's own attempt if there is one; else those of others with the shared name."""
        if question.name in self._rows:
            return [self._rows[question.name].attempt]
        shared = [
            row.attempt
            for row in reversed(self._rows.values())
            if question.shared_name is not None
            and row.question.shared_name == question.shared_name
            and not row.attempt.is_exhausted
        ]
        return shared[:SHARED_MAX]

    async def begin(
        self, question: Question, attempt_id: UUID, lease: timedelta, secret_hash: str | None = None
    ) -> Attempt:
        """Takes a question up, unless somebody is at it or has answered it."""
        until = self._clock.now() + lease
        row = self._rows.get(question.name)
        if row is None:
            attempt = Attempt(
                attempt_id=attempt_id,
                name=question.name,
                fingerprint=question.fingerprint,
                secret_hash=secret_hash,
            )
            self._rows[question.name] = AttemptRow(attempt, question, until)
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

    async def answer(self, name: bytes, sealed_answer: bytes) -> bool:
        """Keeps the answer of an attempt."""
        row = self._rows[name]
        if row.attempt.sealed_answer is not None or row.attempt.is_ended:
            return False
        row.attempt = replace(row.attempt, sealed_answer=sealed_answer)
        return True

    async def release(self, name: bytes) -> None:
        """Lets the next call take it up at once."""
        self._rows[name].leased_until = _LONG_AGO

    async def note_wrong_secret(self, name: bytes) -> None:
        """Counts a wrong secret."""
        row = self._rows[name]
        row.attempt = replace(row.attempt, wrong_secrets=row.attempt.wrong_secrets + 1)
        if row.attempt.is_exhausted:
            row.attempt = replace(row.attempt, sealed_answer=None)

    async def end(self, subject_id: UUID) -> None:
        """Drops the answers that a user, a session or a key has been given."""
        for row in self._rows.values():
            session = self._state.sessions.get(row.attempt.outcome) if row.attempt.outcome else None
            concerned = {row.question.asker, row.question.session_id}
            if row.question.asker is not None:
                concerned.add(row.attempt.outcome)
            if session is not None:
                concerned |= {session.id, session.user_id}
            if subject_id in concerned:
                if row.attempt.sealed_answer is not None:
                    row.leased_until = _LONG_AGO
                row.attempt = replace(row.attempt, sealed_answer=None, is_ended=True)

    async def end_everybodys(self, *, but: UUID) -> None:
        """Drops every answer that was given in or with a session, but those of one session."""
        for row in self._rows.values():
            asked = row.question
            concerned = asked.asker is not None or row.attempt.outcome in self._state.sessions
            if concerned and but not in (asked.session_id, row.attempt.outcome):
                if row.attempt.sealed_answer is not None:
                    row.leased_until = _LONG_AGO
                row.attempt = replace(row.attempt, sealed_answer=None, is_ended=True)

    async def erase(self, user_id: UUID) -> None:
        """Forgets what a person asked."""
        for name, row in list(self._rows.items()):
            session = self._state.sessions.get(row.attempt.outcome) if row.attempt.outcome else None
            if user_id in (row.question.asker, row.attempt.attempt_id) or (
                session is not None and session.user_id == user_id
            ):
                del self._rows[name]

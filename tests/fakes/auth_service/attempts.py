"""First answers in memory, for all to read."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from auth_service.domain.idempotency import (
    SHARED_MAX,
    IdempotencyKey,
    IdempotencyRecord,
    Request,
)
from chassis.identity.caller import Caller

from tests.fakes.auth_service.state import FakeClock, IdempotencyRow, State

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class FakeResponseSeal:
    """Names clients and what they ask legibly, and seals nothing."""

    def keys(self, caller: Caller, key: str, request: Request) -> Sequence[IdempotencyKey]:
        """Returns the key."""
        return [self._question(caller, key, request)]

    def _question(self, caller: Caller, key: str, request: Request) -> IdempotencyKey:
        client = caller.user_id or caller.client_address
        is_shared = caller.user_id is None and request.proves
        return IdempotencyKey(
            name=f"{client} {key}".encode(),
            shared_name=f"{key} ".encode() + request.asked if is_shared else None,
            fingerprint=request.asked,
            user_id=caller.user_id,
            session_id=caller.session_id,
        )

    def seal(self, name: bytes, answer: bytes) -> bytes:
        """Returns the answer."""
        return answer

    def open(self, name: bytes, sealed_answer: bytes) -> bytes:
        """Returns the answer."""
        return sealed_answer


class FakeIdempotency:
    """`IdempotencyRepository` in a dictionary."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._state = state
        self._rows = state.attempts
        self._clock = clock

    async def find(self, key: IdempotencyKey) -> Sequence[IdempotencyRecord]:
        """Returns the client's own attempt if there is one; else those of others with the shared name."""
        if key.name in self._rows:
            return [self._rows[key.name].record]
        shared = [
            row.record
            for row in reversed(self._rows.values())
            if key.shared_name is not None
            and row.key.shared_name == key.shared_name
            and not row.record.is_exhausted
        ]
        return shared[:SHARED_MAX]

    async def begin(
        self, key: IdempotencyKey, attempt_id: UUID, lease: timedelta, secret_hash: str | None = None
    ) -> IdempotencyRecord:
        """Takes a key up, unless somebody is at it or has answered it."""
        until = self._clock.now() + lease
        row = self._rows.get(key.name)
        if row is None:
            record = IdempotencyRecord(
                attempt_id=attempt_id,
                name=key.name,
                fingerprint=key.fingerprint,
                secret_hash=secret_hash,
            )
            self._rows[key.name] = IdempotencyRow(record, key, until)
            return replace(record, is_ours=True)
        known = row.record
        free = known.sealed_answer is None and row.leased_until < self._clock.now()
        if free and known.fingerprint == key.fingerprint:
            row.leased_until = until
            return replace(known, is_ours=True)
        return known

    async def record_outcome(self, attempt_id: UUID, outcome: UUID) -> bool:
        """Notes what an attempt came to; says whether it is the first to."""
        for row in self._rows.values():
            if row.record.attempt_id == attempt_id and row.record.outcome is None:
                row.record = replace(row.record, outcome=outcome)
                return True
        return False

    async def store_response(self, name: bytes, sealed_answer: bytes) -> bool:
        """Keeps the answer of an attempt."""
        row = self._rows[name]
        if row.record.sealed_answer is not None or row.record.is_ended:
            return False
        row.record = replace(row.record, sealed_answer=sealed_answer)
        return True

    async def release(self, name: bytes) -> None:
        """Lets the next call take it up at once."""
        self._rows[name].leased_until = _LONG_AGO

    async def count_wrong_secret(self, name: bytes) -> None:
        """Counts a wrong secret."""
        row = self._rows[name]
        row.record = replace(row.record, wrong_secrets=row.record.wrong_secrets + 1)
        if row.record.is_exhausted:
            row.record = replace(row.record, sealed_answer=None)

    async def expire(self, subject_id: UUID) -> None:
        """Drops the answers that a user, a session or a key has been given."""
        for row in self._rows.values():
            session = self._state.sessions.get(row.record.outcome) if row.record.outcome else None
            concerned = {row.key.user_id, row.key.session_id}
            if row.key.user_id is not None:
                concerned.add(row.record.outcome)
            if session is not None:
                concerned |= {session.id, session.user_id}
            if subject_id in concerned:
                if row.record.sealed_answer is not None:
                    row.leased_until = _LONG_AGO
                row.record = replace(row.record, sealed_answer=None, is_ended=True)

    async def expire_all(self, *, but: UUID) -> None:
        """Drops every answer that was given in or with a session, but those of one session."""
        for row in self._rows.values():
            asked = row.key
            concerned = asked.user_id is not None or row.record.outcome in self._state.sessions
            if concerned and but not in (asked.session_id, row.record.outcome):
                if row.record.sealed_answer is not None:
                    row.leased_until = _LONG_AGO
                row.record = replace(row.record, sealed_answer=None, is_ended=True)

    async def erase(self, user_id: UUID) -> None:
        """Forgets what a user asked."""
        for name, row in list(self._rows.items()):
            session = self._state.sessions.get(row.record.outcome) if row.record.outcome else None
            if user_id in (row.key.user_id, row.record.attempt_id) or (
                session is not None and session.user_id == user_id
            ):
                del self._rows[name]

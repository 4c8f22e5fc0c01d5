"""Sessions and revocations in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from auth_service.domain.credential import Credential
from auth_service.domain.session import ACCESS_LIFETIME, CLOCK_SKEW, LockedSession, Session
from auth_service.domain.tokens import Revocation, unix_milliseconds

from tests.fakes.auth_service.state import FakeClock, State


class FakeSessions:
    """`SessionRepository` in a dictionary."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._state = state
        self._rows = state.sessions
        self._clock = clock

    async def lock(self, session_id: UUID) -> LockedSession | None:
        """Returns a session as it stands."""
        session = self._rows.get(session_id)
        credential = self._usable(session.user_id) if session else None
        if session is None or credential is None:
            return None
        return LockedSession(
            session=session,
            role=credential.role,
            at=self._clock.now(),
            guarded=credential.second_factor or session.by_passkey,
        )

    async def rotate(self, session: Session, at: datetime, expires_at: datetime) -> bool:
        """Raises the counter by one if it is still the session's."""
        row = self._rows.get(session.id)
        if row is None or row.counter != session.counter or row.ended_at is not None:
            return False
        self._rows[session.id] = replace(
            row, counter=row.counter + 1, rotated_at=at, last_used_at=at, expires_at=expires_at
        )
        return True

    async def renew(self, session: Session) -> None:
        """Keeps when a session was used, until when it lasts and how it is proven."""
        row = self._rows[session.id]
        if row.ended_at is None:
            self._rows[session.id] = replace(
                row,
                last_used_at=session.last_used_at,
                expires_at=session.expires_at,
                auth_time=session.auth_time,
                amr=session.amr,
            )

    async def end(self, session_id: UUID, user_id: UUID) -> bool:
        """Ends a user's open session."""
        row = self._rows.get(session_id)
        if row is None or row.user_id != user_id or not self._is_open(row):
            return False
        self._rows[session_id] = replace(row, ended_at=self._clock.now())
        return True

    async def end_all(
        self, user_id: UUID, *, but: UUID | None = None, used_since: datetime
    ) -> Sequence[UUID]:
        """Ends a user's open sessions."""
        ended = [
            row
            for row in self._rows.values()
            if row.user_id == user_id and row.ended_at is None and row.id != but
        ]
        for row in ended:
            self._rows[row.id] = replace(row, ended_at=self._clock.now())
        return [row.id for row in ended if row.last_used_at >= used_since]

    async def end_every(
        self, opened_until: datetime, *, but: UUID, limit: int, used_since: datetime
    ) -> tuple[int, Sequence[UUID]]:
        """Ends up to `limit` open sessions of whomever, opened until then."""
        found = [
            row
            for row in self._rows.values()
            if row.ended_at is None and row.created_at <= opened_until and row.id != but
        ][:limit]
        for row in found:
            self._rows[row.id] = replace(row, ended_at=self._clock.now())
        return len(found), [row.id for row in found if row.last_used_at >= used_since]

    async def is_open(self, session_id: UUID, user_id: UUID) -> bool:
        """Whether a user's session goes on."""
        row = self._rows.get(session_id)
        return row is not None and row.user_id == user_id and self._is_open(row)

    async def open_sessions(self, user_id: UUID, limit: int, offset: int = 0) -> Sequence[Session]:
        """Returns a user's open sessions, the newest first."""
        found = [row for row in self._rows.values() if row.user_id == user_id and self._is_open(row)]
        return sorted(found, key=lambda row: (row.created_at, row.id), reverse=True)[offset:][:limit]

    async def count_open(self, user_id: UUID) -> int:
        """Returns how many open sessions a user has."""
        return len(await self.open_sessions(user_id, len(self._rows)))

    async def allows(self, session_id: UUID, user_id: UUID, issued_at: datetime) -> bool:
        """Whether an access token of the session, issued then, has not been revoked."""
        row = self._rows.get(session_id)
        if row is None or row.user_id != user_id or row.ended_at is not None:
            return False
        return not any(
            (each.session_id == session_id or each.user_id == user_id)
            and unix_milliseconds(each.issued_until) >= unix_milliseconds(issued_at)
            for each in self._state.revocations
        )

    def _usable(self, user_id: UUID) -> Credential | None:
        row = self._state.credentials.get(user_id)
        if row is None or row.credential.is_pending or not row.credential.is_active:
            return None
        return row.credential

    def _is_open(self, row: Session) -> bool:
        return row.ended_at is None and row.expires_at > self._clock.now()


class FakeRevocations:
    """`RevocationRepository` in a list."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._rows = state.revocations
        self._unended = state.unended_revocations
        self._clock = clock

    async def of_session(self, session_id: UUID) -> Revocation:
        """Refuses every access token of a session issued until now."""
        return self._add(
            Revocation(session_id=session_id, issued_until=self._clock.now(), expires_at=self._end())
        )

    async def of_user(self, user_id: UUID) -> Revocation:
        """Refuses every access token of a user issued until now."""
        taken_back = Revocation(user_id=user_id, issued_until=self._clock.now(), expires_at=self._end())
        self._clock.advance(timedelta(milliseconds=1))
        return self._add(taken_back)

    async def of_every_session(self, kept: UUID, *, sessions_ended: bool) -> Revocation:
        """Refuses the access tokens of everybody's sessions but one, issued until now."""
        taken_back = self._add(
            Revocation(
                every_session=True,
                kept_session_id=kept,
                issued_until=self._clock.now(),
                expires_at=self._end(),
            )
        )
        if not sessions_ended:
            self._unended.append(taken_back)
        return taken_back

    async def unended(self) -> Sequence[Revocation]:
        """Returns revocations of every session whose sessions have yet to end."""
        return list(self._unended)

    async def note_ended(self, revocation: Revocation) -> None:
        """Notes that the sessions of an `unended` revocation have ended."""
        self._unended.remove(revocation)

    async def concerning(self, user_id: UUID) -> Sequence[Revocation]:
        """Returns the revocations of a user's tokens that can still matter."""
        now = self._clock.now()
        return [each for each in self._rows if each.user_id == user_id and each.expires_at > now]

    async def in_force(self) -> tuple[Sequence[Revocation], datetime]:
        """Returns every revocation that can still matter."""
        now = self._clock.now()
        return [each for each in self._rows if each.expires_at > now], now

    def _add(self, taken_back: Revocation) -> Revocation:
        self._rows.append(taken_back)
        return taken_back

    def _end(self) -> datetime:
        return self._clock.now() + ACCESS_LIFETIME + CLOCK_SKEW

"""Sessions in Postgres: one row each, the credential always locked before the session."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.component import Component
from chassis.identity.role import Role
from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.proof import unrecorded
from auth_service.domain.session import LockedSession, Session

_SELECT = """
SELECT id, user_id, counter, rotated_at, created_at, last_used_at, expires_at, ended_at, ip, user_agent,
       by_passkey, auth_time, amr
  FROM auth.sessions"""


class PostgresSessions(Component):
    """`SessionRepository` on one connection."""

    connection: Connection

    async def lock(self, session_id: UUID) -> LockedSession | None:
        """Locks a session's credential against change and the session for a change."""
        row = await self.connection.fetchrow(
            f"""
            WITH credential AS MATERIALIZED (
                SELECT user_id, role, second_factor FROM auth.credentials
                 WHERE user_id = (SELECT user_id FROM auth.sessions WHERE id = $1)
                   AND is_active AND NOT is_pending
                   FOR SHARE
            ), session AS MATERIALIZED (
                {_SELECT}
                 WHERE id = $1 AND user_id = (SELECT user_id FROM credential)
                   FOR UPDATE
            )
            SELECT session.*, credential.role, credential.second_factor, clock_timestamp() AS at
              FROM session, credential
            """,  # noqa: S608 of constants
            session_id,
        )
        if row is None:
            return None
        return LockedSession(
            session=session_of(row),
            role=Role(row["role"]),
            at=row["at"],
            has_two_factors=row["second_factor"] or row["by_passkey"],
        )

    async def rotate(self, session: Session, at: datetime, expires_at: datetime) -> bool:
        """Raises the counter by one if it is still the session's; returns whether it was."""
        tag = await self.connection.execute(
            """
            UPDATE auth.sessions
               SET counter = counter + 1, rotated_at = $3, last_used_at = $3, expires_at = $4
             WHERE id = $1 AND counter = $2 AND ended_at IS NULL
            """,
            session.id,
            session.counter,
            at,
            expires_at,
        )
        return rows_affected(tag) > 0

    async def renew(self, session: Session) -> None:
        """Stores when an open, locked session was used, when it expires and how it was authenticated."""
        await self.connection.execute(
            """
            UPDATE auth.sessions SET last_used_at = $2, expires_at = $3, auth_time = $4, amr = $5
             WHERE id = $1 AND ended_at IS NULL
            """,
            session.id,
            session.last_used_at,
            session.expires_at,
            session.auth_time,
            list(session.amr),
        )

    async def end(self, session_id: UUID, user_id: UUID) -> bool:
        """Ends a user's open session; returns whether it was one."""
        tag = await self.connection.execute(
            """
            UPDATE auth.sessions SET ended_at = clock_timestamp()
             WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > now()
            """,
            session_id,
            user_id,
        )
        return rows_affected(tag) > 0

    async def end_all(
        self, user_id: UUID, *, but: UUID | None = None, used_since: datetime
    ) -> Sequence[UUID]:
        """Ends a user's open sessions but one; returns those used since that time."""
        rows = await self.connection.fetch(
            """
            UPDATE auth.sessions SET ended_at = clock_timestamp() WHERE id IN (
                SELECT id FROM auth.sessions
                 WHERE user_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $2
                 ORDER BY id FOR NO KEY UPDATE)
            RETURNING id, last_used_at >= $3 AS living
            """,
            user_id,
            but,
            used_since,
        )
        return [row["id"] for row in rows if row["living"]]

    async def wait_for_sign_ins(self) -> None:
        """Waits for transactions that are opening sessions; others wait until this one ends."""
        # Its own mode is among those that it excludes: two of these would wait for each other's changes.
        await self.connection.execute("LOCK TABLE auth.sessions IN SHARE ROW EXCLUSIVE MODE")

    async def end_every(
        self, opened_until: datetime, *, but: UUID, limit: int, used_since: datetime
    ) -> tuple[int, Sequence[UUID]]:
        """Ends up to `limit` open sessions of all users, opened until then.

        Returns:
            How many ended, and those of them that were used since `used_since`.
        """
        rows = await self.connection.fetch(
            """
            UPDATE auth.sessions SET ended_at = clock_timestamp() WHERE id IN (
                SELECT id FROM auth.sessions
                 WHERE ended_at IS NULL AND created_at <= $1 AND id <> $2
                 ORDER BY id LIMIT $3 FOR NO KEY UPDATE)
            RETURNING CASE WHEN last_used_at >= $4 THEN id END AS living
            """,
            opened_until,
            but,
            limit,
            used_since,
        )
        return len(rows), [row["living"] for row in rows if row["living"] is not None]

    async def is_open(self, session_id: UUID, user_id: UUID) -> bool:
        """Whether a user's session is open."""
        found = await self.connection.fetchval(
            """
            SELECT EXISTS (SELECT FROM auth.sessions
                            WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > now())
            """,
            session_id,
            user_id,
        )
        return bool(found)

    async def open_sessions(
        self, user_id: UUID, limit: int, *, offset: int = 0, below: UUID | None = None
    ) -> Sequence[Session]:
        """Returns a user's open sessions, the newest first; only those older than `below` if it is given."""
        rows = await self.connection.fetch(
            _SELECT
            + " WHERE user_id = $1 AND ended_at IS NULL AND expires_at > now()"
            + " AND ($4::uuid IS NULL OR id < $4) ORDER BY id DESC LIMIT $2 OFFSET $3",
            user_id,
            limit,
            offset,
            below,
        )
        return [session_of(row) for row in rows]

    async def count_open(self, user_id: UUID) -> int:
        """Returns how many open sessions a user has."""
        count: int = await self.connection.fetchval(
            """
            SELECT count(*) FROM auth.sessions WHERE user_id = $1 AND ended_at IS NULL AND expires_at > now()
            """,
            user_id,
        )
        return count

    async def allows(self, session_id: UUID, user_id: UUID, issued_at: datetime) -> bool:
        """Whether an access token of the session, issued then, has not been revoked."""
        allowed = await self.connection.fetchval(
            """
            SELECT EXISTS (SELECT FROM auth.sessions WHERE id = $1 AND user_id = $2 AND ended_at IS NULL)
               AND NOT EXISTS (SELECT FROM auth.revocations
                                WHERE session_id = $1 AND date_trunc('milliseconds', issued_until) >= $3)
               AND NOT EXISTS (SELECT FROM auth.revocations
                                WHERE user_id = $2 AND date_trunc('milliseconds', issued_until) >= $3)
               AND NOT EXISTS (SELECT FROM auth.revocations_of_all
                                WHERE kept_session_id <> $1
                                  AND date_trunc('milliseconds', issued_until) >= $3)
            """,
            session_id,
            user_id,
            issued_at,
        )
        return bool(allowed)


def session_of(row: Any) -> Session:
    """Returns the session in a row, which may have more columns."""
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        counter=row["counter"],
        rotated_at=row["rotated_at"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
        ip=row["ip"],
        user_agent=row["user_agent"],
        by_passkey=row["by_passkey"],
        auth_time=row["auth_time"] or row["created_at"],
        amr=tuple(row["amr"] or unrecorded(by_passkey=row["by_passkey"])),
    )

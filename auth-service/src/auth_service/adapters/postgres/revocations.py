"""Revocations in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.postgres.connection import Connection

from auth_service.domain.session import ACCESS_LIFETIME, CLOCK_SKEW
from auth_service.domain.tokens import Revocation


@dataclass(frozen=True, slots=True)
class PostgresRevocations:
    """`RevocationRepository` on one connection."""

    connection: Connection

    async def of_session(self, session_id: UUID) -> Revocation:
        """Refuses every access token of a session issued until now."""
        row = await self.connection.fetchrow(
            """
            INSERT INTO auth.revocations (session_id, issued_until, expires_at)
            SELECT $1, at, at + $2 FROM clock_timestamp() AS at
            RETURNING session_id, user_id, issued_until, expires_at
            """,
            session_id,
            ACCESS_LIFETIME + CLOCK_SKEW,
        )
        return _revocation(row)

    async def of_person(self, user_id: UUID) -> Revocation:
        """Refuses every access token of a person issued until now."""
        # Tokens and revocations compare by milliseconds. The sleep, under the credential's
        # lock, lets the next token be of a later one, or a fresh sign-in might be refused.
        row = await self.connection.fetchrow(
            """
            WITH written AS (
                INSERT INTO auth.revocations (user_id, issued_until, expires_at)
                SELECT $1, at, at + $2 FROM clock_timestamp() AS at
                RETURNING session_id, user_id, issued_until, expires_at
            )
            SELECT session_id, user_id, issued_until, expires_at FROM written, pg_sleep(0.0015)
            """,
            user_id,
            ACCESS_LIFETIME + CLOCK_SKEW,
        )
        return _revocation(row)

    async def of_every_session(self, kept: UUID, *, sessions_ended: bool) -> Revocation:
        """Refuses the access tokens of everybody's sessions but one, issued until now."""
        row = await self.connection.fetchrow(
            """
            INSERT INTO auth.revocations_of_all (kept_session_id, issued_until, expires_at, sessions_ended)
            SELECT $1, at, at + $2, $3 FROM clock_timestamp() AS at
            RETURNING kept_session_id, issued_until, expires_at
            """,
            kept,
            ACCESS_LIFETIME + CLOCK_SKEW,
            sessions_ended,
        )
        return _revocation_of_all(row)

    async def unended(self) -> Sequence[Revocation]:
        """Returns revocations of every session whose sessions have yet to end."""
        rows = await self.connection.fetch(
            """
            SELECT kept_session_id, issued_until, expires_at
              FROM auth.revocations_of_all WHERE NOT sessions_ended ORDER BY position
            """
        )
        return [_revocation_of_all(row) for row in rows]

    async def note_ended(self, revocation: Revocation) -> None:
        """Notes that the sessions of an `unended` revocation have ended."""
        await self.connection.execute(
            """
            UPDATE auth.revocations_of_all SET sessions_ended = true
             WHERE kept_session_id = $1 AND issued_until = $2
            """,
            revocation.kept_session_id,
            revocation.issued_until,
        )

    async def concerning(self, user_id: UUID) -> Sequence[Revocation]:
        """Returns the revocations of a person's tokens that can still matter."""
        rows = await self.connection.fetch(
            """
            SELECT session_id, user_id, issued_until, expires_at
              FROM auth.revocations WHERE user_id = $1 AND expires_at > now()
            """,
            user_id,
        )
        return [_revocation(row) for row in rows]

    async def in_force(self) -> tuple[Sequence[Revocation], datetime]:
        """Returns every revocation that can still matter, and when it was read."""
        at: datetime = await self.connection.fetchval("SELECT clock_timestamp()")
        rows = await self.connection.fetch(
            """
            SELECT session_id, user_id, issued_until, expires_at
              FROM auth.revocations WHERE expires_at > now()
            """
        )
        of_all = await self.connection.fetch(
            """
            SELECT kept_session_id, issued_until, expires_at
              FROM auth.revocations_of_all WHERE expires_at > now()
            """
        )
        return [*map(_revocation_of_all, of_all), *map(_revocation, rows)], at


def _revocation_of_all(row: Any) -> Revocation:
    return Revocation(
        every_session=True,
        kept_session_id=row["kept_session_id"],
        issued_until=row["issued_until"],
        expires_at=row["expires_at"],
    )


def _revocation(row: Any) -> Revocation:
    return Revocation(
        session_id=row["session_id"],
        user_id=row["user_id"],
        issued_until=row["issued_until"],
        expires_at=row["expires_at"],
    )

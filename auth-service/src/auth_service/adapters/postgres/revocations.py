"""Revocations in Postgres: of a session, of a user, and of every session but one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.component import Component
from chassis.postgres.connection import Connection

from auth_service.domain.session import TOKENS_LIVE
from auth_service.domain.tokens import Revocation

_COMMITTED_WITHIN = timedelta(minutes=1)
"""Longer than from a revocation's time to the commit of its transaction."""

_SELECT = "SELECT session_id, user_id, issued_until, expires_at FROM auth.revocations"
_SELECT_OF_ALL = "SELECT kept_session_id, issued_until, expires_at FROM auth.revocations_of_all"
_IN_FORCE = " WHERE expires_at > now() AND issued_until > $1"


class PostgresRevocations(Component):
    """`RevocationRepository` on one connection."""

    connection: Connection

    async def of_session(self, session_id: UUID) -> Revocation:
        """Refuses every access token of a session issued until now."""
        row: Any = await self.connection.fetchrow(
            """
            INSERT INTO auth.revocations (session_id, issued_until, expires_at)
            SELECT $1, at, at + $2 FROM clock_timestamp() AS at
            RETURNING session_id, user_id, issued_until, expires_at
            """,
            session_id,
            TOKENS_LIVE,
        )
        return Revocation(**row)

    async def of_user(self, user_id: UUID) -> Revocation:
        """Refuses every access token of a user issued until now."""
        # Tokens and revocations are compared by milliseconds. The sleep, under the credential's lock,
        # gives the next token a later millisecond; otherwise a fresh sign-in could be refused.
        row: Any = await self.connection.fetchrow(
            """
            WITH written AS (
                INSERT INTO auth.revocations (user_id, issued_until, expires_at)
                SELECT $1, at, at + $2 FROM clock_timestamp() AS at
                RETURNING session_id, user_id, issued_until, expires_at
            )
            SELECT session_id, user_id, issued_until, expires_at FROM written, pg_sleep(0.0015)
            """,
            user_id,
            TOKENS_LIVE,
        )
        return Revocation(**row)

    async def of_every_session(self, kept: UUID, *, sessions_ended: bool) -> Revocation:
        """Refuses the access tokens of all sessions but one, issued until now."""
        row: Any = await self.connection.fetchrow(
            """
            INSERT INTO auth.revocations_of_all (kept_session_id, issued_until, expires_at, sessions_ended)
            SELECT $1, at, at + $2, $3 FROM clock_timestamp() AS at
            RETURNING kept_session_id, issued_until, expires_at
            """,
            kept,
            TOKENS_LIVE,
            sessions_ended,
        )
        return Revocation(every_session=True, **row)

    async def unended(self) -> Sequence[Revocation]:
        """Returns the revocations of all sessions whose sessions are not all ended yet."""
        rows = await self.connection.fetch(_SELECT_OF_ALL + " WHERE NOT sessions_ended ORDER BY position")
        return [Revocation(every_session=True, **row) for row in rows]

    async def note_ended(self, revocation: Revocation) -> None:
        """Records that the sessions of an `unended` revocation have ended."""
        await self.connection.execute(
            """
            UPDATE auth.revocations_of_all SET sessions_ended = true
             WHERE kept_session_id = $1 AND issued_until = $2
            """,
            revocation.kept_session_id,
            revocation.issued_until,
        )

    async def concerning(self, user_id: UUID) -> Sequence[Revocation]:
        """Returns the revocations of a user's tokens that can still matter."""
        rows = await self.connection.fetch(_SELECT + " WHERE user_id = $1 AND expires_at > now()", user_id)
        return [Revocation(**row) for row in rows]

    async def in_force(self, since: datetime) -> tuple[Sequence[Revocation], datetime]:
        """Returns revocations that can still matter, committed since a time, and when they were read."""
        at: datetime = await self.connection.fetchval("SELECT clock_timestamp()")
        after = since - _COMMITTED_WITHIN
        rows = await self.connection.fetch(_SELECT + _IN_FORCE, after)
        of_all = await self.connection.fetch(_SELECT_OF_ALL + _IN_FORCE, after)
        found = [Revocation(every_session=True, **row) for row in of_all]
        return [*found, *(Revocation(**row) for row in rows)], at

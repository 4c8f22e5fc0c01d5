"""Verified addresses in Postgres."""

from dataclasses import dataclass
from uuid import UUID

from chassis.postgres.connection import Connection, rows_affected


@dataclass(frozen=True, slots=True)
class PostgresEmails:
    """`EmailRepository` on one connection."""

    connection: Connection

    async def verify(self, user_id: UUID) -> bool:
        """Notes that a person's present address is verified; says whether that is new."""
        tag = await self.connection.execute(
            """
            UPDATE auth.credentials SET email_verified = true, updated_at = now()
             WHERE user_id = $1 AND email IS NOT NULL AND NOT email_verified
            """,
            user_id,
        )
        return rows_affected(tag) > 0

    async def verified(self, user_id: UUID) -> str | None:
        """Returns a person's address if it is verified."""
        email: str | None = await self.connection.fetchval(
            "SELECT email FROM auth.credentials WHERE user_id = $1 AND email_verified", user_id
        )
        return email

"""Counted requests for other addresses, and reserved former addresses."""

from datetime import datetime, timedelta
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.email_address import canonical_email
from chassis.postgres.connection import Connection, rows_affected


@dataclass(frozen=True, slots=True)
class PostgresEmailChanges:
    """`EmailChangeRepository` on one connection."""

    connection: Connection

    async def count_request(
        self, user_id: UUID, at: datetime, *, at_most: int, window: timedelta
    ) -> timedelta | None:
        """Counts a request of a locked user; returns how long to wait when there were too many."""
        recent = await self.connection.fetchval(
            """
            SELECT array(SELECT asked_at FROM unnest(email_requests) AS asked_at
                          WHERE asked_at > $2::timestamptz - $3::interval ORDER BY asked_at)
              FROM users.users WHERE id = $1
            """,
            user_id,
            at,
            window,
        )
        if len(recent) >= at_most:
            first: datetime = recent[-at_most]
            return first + window - at
        await self.connection.execute(
            "UPDATE users.users SET email_requests = $2 WHERE id = $1", user_id, [*recent, at]
        )
        return None

    async def is_taken(self, email: str, user_id: UUID) -> bool:
        """Whether another user has the address, or it is reserved for another user."""
        return bool(
            await self.connection.fetchval(
                """
                SELECT EXISTS (SELECT FROM users.users WHERE email_canonical = $1 AND id <> $2)
                    OR EXISTS (SELECT FROM users.reserved_emails
                                WHERE email_canonical = $1 AND user_id <> $2 AND reserved_until > now())
                """,
                canonical_email(email),
                user_id,
            )
        )

    async def reserve(self, email: str, user_id: UUID, duration: timedelta) -> None:
        """Reserves a user's former address, so that no other user can take it."""
        await self.connection.execute(
            """
            INSERT INTO users.reserved_emails AS known (email_canonical, user_id, reserved_until)
            VALUES ($1, $2, now() + $3::interval)
            ON CONFLICT (email_canonical) DO UPDATE
               SET user_id = excluded.user_id, reserved_until = excluded.reserved_until
            """,
            canonical_email(email),
            user_id,
            duration,
        )

    async def release(self, user_id: UUID) -> None:
        """Ends all reservations for a user, and deletes some expired ones."""
        tag = await self.connection.execute("DELETE FROM users.reserved_emails WHERE user_id = $1", user_id)
        if rows_affected(tag) == 0:
            return
        await self.connection.execute(
            """
            DELETE FROM users.reserved_emails WHERE email_canonical IN (
                SELECT email_canonical FROM users.reserved_emails WHERE reserved_until < now()
                 LIMIT 100 FOR UPDATE SKIP LOCKED)
            """
        )

"""E-mail addresses in Postgres: verified ones, and those that a user is changing from and to."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from chassis.component import Component
from chassis.email_address import canonical_email
from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.email_change import FormerEmail

_FORMER = "SELECT mail_id, user_id, email, kept_at, expires_at FROM auth.former_emails"


class PostgresEmails(Component):
    """`EmailRepository` on one connection."""

    connection: Connection

    async def verify(self, user_id: UUID) -> bool:
        """Marks a user's present address as verified; returns whether that is new."""
        tag = await self.connection.execute(
            """
            UPDATE auth.credentials SET email_verified = true, updated_at = now()
             WHERE user_id = $1 AND email IS NOT NULL AND NOT email_verified
            """,
            user_id,
        )
        return rows_affected(tag) > 0

    async def verified(self, user_id: UUID) -> str | None:
        """Returns a user's address if it is verified."""
        email: str | None = await self.connection.fetchval(
            "SELECT email FROM auth.credentials WHERE user_id = $1 AND email_verified", user_id
        )
        return email


class PostgresEmailChanges(Component):
    """`EmailChangeRepository` on one connection."""

    connection: Connection

    async def pending(self, user_id: UUID) -> str | None:
        """Returns the address that a user has asked to change to."""
        email: str | None = await self.connection.fetchval(
            "SELECT pending_email FROM auth.credentials WHERE user_id = $1", user_id
        )
        return email

    async def set_pending(self, user_id: UUID, email: str | None) -> None:
        """Stores the address that a user has asked to change to; None when there is none any more."""
        await self.connection.execute(
            "UPDATE auth.credentials SET pending_email = $2, updated_at = now() WHERE user_id = $1",
            user_id,
            email,
        )

    async def drop_pending(self, user_id: UUID) -> bool:
        """Cancels a user's change of address; user-service still has to be informed."""
        tag = await self.connection.execute(
            """
            UPDATE auth.credentials SET pending_email = NULL, restored_email = email, updated_at = now()
             WHERE user_id = $1 AND pending_email IS NOT NULL AND email IS NOT NULL
            """,
            user_id,
        )
        return rows_affected(tag) > 0

    async def keep_former(self, mail_id: UUID, user_id: UUID, email: str, lifetime: timedelta) -> None:
        """Stores a former address for the undo link in a mail."""
        await self.connection.execute(
            """
            INSERT INTO auth.former_emails (mail_id, user_id, email, expires_at)
            VALUES ($1, $2, $3, now() + $4::interval)
            """,
            mail_id,
            user_id,
            email,
            lifetime,
        )

    async def former(self, mail_id: UUID) -> FormerEmail | None:
        """Returns the former address that the link in a mail restores."""
        row = await self.connection.fetchrow(_FORMER + " WHERE mail_id = $1", mail_id)
        return None if row is None else FormerEmail(**dict(row))

    async def all_former(self, user_id: UUID) -> Sequence[FormerEmail]:
        """Returns every address that a user can restore, earliest first."""
        rows = await self.connection.fetch(
            _FORMER + " WHERE user_id = $1 AND expires_at > now() ORDER BY kept_at", user_id
        )
        return [FormerEmail(**dict(row)) for row in rows]

    async def restore(self, former: FormerEmail) -> None:
        """Makes a former address the credential's again, verified, with no change pending."""
        await self.connection.execute(
            """
            WITH ended AS (
                DELETE FROM auth.former_emails
                 WHERE user_id = $1 AND (kept_at >= $4 OR email = $2) RETURNING mail_id
            ), tokens AS (
                DELETE FROM auth.mailed_tokens WHERE mail_id IN (SELECT mail_id FROM ended)
            ), mails AS (
                DELETE FROM auth.mails WHERE id IN (SELECT mail_id FROM ended)
            )
            UPDATE auth.credentials
               SET email = $2, email_canonical = $3, email_verified = true, pending_email = NULL,
                   restored_email = $2, updated_at = now()
             WHERE user_id = $1
            """,
            former.user_id,
            former.email,
            canonical_email(former.email),
            former.kept_at,
        )

    async def restored(self, user_id: UUID) -> str | None:
        """Returns a restored address that user-service does not know of yet."""
        email: str | None = await self.connection.fetchval(
            "SELECT restored_email FROM auth.credentials WHERE user_id = $1", user_id
        )
        return email

    async def note_restored(self, user_id: UUID, email: str) -> None:
        """Records that user-service knows of the restored address."""
        await self.connection.execute(
            "UPDATE auth.credentials SET restored_email = NULL WHERE user_id = $1 AND restored_email = $2",
            user_id,
            email,
        )

    async def admit_mail(self, target: bytes, at_most: int, window: timedelta) -> bool:
        """Counts a mail to a target; returns whether it may be sent: no more than `at_most` in the window."""
        tag = await self.connection.execute(
            """
            INSERT INTO auth.mail_targets AS known (target, sent_at, updated_at)
            VALUES ($1, ARRAY[now()], now())
            ON CONFLICT (target) DO UPDATE
               SET updated_at = now(),
                   sent_at = array_append(array(SELECT sent FROM unnest(known.sent_at) AS sent
                                                 WHERE sent > now() - $3::interval), now())
             WHERE (SELECT count(*) FROM unnest(known.sent_at) AS sent
                     WHERE sent > now() - $3::interval) < $2
            """,
            target,
            at_most,
            window,
        )
        return rows_affected(tag) > 0

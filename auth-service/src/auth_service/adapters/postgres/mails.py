"""Mails and their tokens in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chassis.grpc.call import current_traceparent
from chassis.ids import uuid7
from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.mail import Mail, MailKind, MailToken

CHANNEL = "auth_mails"
"""Notified when a mail was queued."""

KNOWN_BEFORE = (MailKind.EMAIL_VERIFICATION, MailKind.PASSWORD_RESET)
"""Kinds of tokens that the release before takes, by its own table `auth.mail_tokens`."""


@dataclass(frozen=True, slots=True)
class PostgresMails:
    """`MailRepository` on one connection."""

    connection: Connection

    async def queue(self, kind: MailKind, user_id: UUID) -> UUID:
        """Adds a mail and, on commit, wakes who sends it; returns its id."""
        mail_id = uuid7()
        await self.connection.execute(
            """
            WITH queued AS (
                INSERT INTO auth.mails (id, kind, user_id, queued_at, traceparent)
                VALUES ($1, $2, $3, clock_timestamp(), $4)
            )
            SELECT pg_notify($5, '')
            """,
            mail_id,
            kind.value,
            user_id,
            current_traceparent(),
            CHANNEL,
        )
        return mail_id

    async def claim(self, lease: timedelta) -> Mail | None:
        """Returns a mail that is due, and keeps it from everybody else for the lease."""
        row = await self.connection.fetchrow(
            """
            UPDATE auth.mails AS mail SET due_at = now() + $1::interval, attempts = attempts + 1
             WHERE id = (SELECT id FROM auth.mails WHERE due_at <= now() AND kind = ANY($2::text[])
                          ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, kind, user_id, attempts, queued_at, traceparent,
                      EXISTS (SELECT FROM auth.mails AS newer
                               WHERE newer.user_id = mail.user_id AND newer.kind = mail.kind
                                 AND (newer.queued_at, newer.id) > (mail.queued_at, mail.id)) AS superseded
            """,
            lease,
            [kind.value for kind in MailKind],  # A kind of a later release is left to it.
        )
        if row is None:
            return None
        return Mail(
            id=row["id"],
            kind=MailKind(row["kind"]),
            user_id=row["user_id"],
            attempts=row["attempts"],
            queued_at=row["queued_at"],
            superseded=row["superseded"],
            traceparent=row["traceparent"],
        )

    async def put_off(self, mail_id: UUID, wait: timedelta) -> None:
        """Lets a mail wait."""
        await self.connection.execute(
            "UPDATE auth.mails SET due_at = now() + $2::interval WHERE id = $1", mail_id, wait
        )

    async def remove(self, mail_id: UUID) -> None:
        """Removes a mail that will not be sent any more, and leaves tokens as they are."""
        await self.connection.execute("DELETE FROM auth.mails WHERE id = $1", mail_id)

    async def note_delivered(self, mail: Mail) -> None:
        """Removes a mail that was delivered; ends what was asked for before it."""
        await self.remove(mail.id)
        if not mail.kind.newest_wins:
            return
        earlier = (mail.user_id, mail.kind.value, mail.queued_at, mail.id)
        await self.connection.execute(
            "DELETE FROM auth.mails WHERE user_id = $1 AND kind = $2 AND (queued_at, id) < ($3, $4)", *earlier
        )
        await self.connection.execute(
            """
            WITH before AS (
                DELETE FROM auth.mail_tokens WHERE user_id = $1 AND kind = $2 AND mail_id < $4
            )
            DELETE FROM auth.mailed_tokens
             WHERE user_id = $1 AND kind = $2 AND (queued_at, mail_id) < ($3, $4)
            """,
            *earlier,
        )

    async def note_refused(self, mail: Mail) -> None:
        """Removes a mail that was refused for good, with its token."""
        await self.remove(mail.id)
        await self.connection.execute("DELETE FROM auth.mailed_tokens WHERE mail_id = $1", mail.id)
        await self.connection.execute("DELETE FROM auth.mail_tokens WHERE mail_id = $1", mail.id)

    async def withdraw(self, user_id: UUID, *kinds: MailKind) -> None:
        """Removes a person's waiting mails of these kinds and makes their tokens useless."""
        names = [kind.value for kind in kinds]
        await self.connection.execute(
            "DELETE FROM auth.mails WHERE user_id = $1 AND kind = ANY($2::text[])", user_id, names
        )
        await self.connection.execute(
            """
            WITH before AS (DELETE FROM auth.mail_tokens WHERE user_id = $1 AND kind = ANY($2::text[]))
            DELETE FROM auth.mailed_tokens WHERE user_id = $1 AND kind = ANY($2::text[])
            """,
            user_id,
            names,
        )

    async def waiting(self, user_id: UUID) -> Sequence[MailKind]:
        """Returns what kinds of mail wait for a person."""
        rows = await self.connection.fetch(
            "SELECT kind FROM auth.mails WHERE user_id = $1 ORDER BY queued_at, id", user_id
        )
        return [MailKind(row["kind"]) for row in rows]

    async def issue(self, mail: Mail, digest: bytes, lifetime: timedelta) -> bool:
        """Makes a token count from now on, beside those of earlier mails."""
        tag = await self.connection.execute(
            """
            INSERT INTO auth.mailed_tokens (mail_id, user_id, kind, digest, queued_at, expires_at)
            SELECT id, user_id, kind, $2, queued_at, now() + $3::interval FROM auth.mails WHERE id = $1
            ON CONFLICT (mail_id) DO UPDATE SET digest = excluded.digest, expires_at = excluded.expires_at
            """,
            mail.id,
            digest,
            lifetime,
        )
        if rows_affected(tag) > 0 and mail.kind in KNOWN_BEFORE:
            await self._issue_as_before(mail, digest, lifetime)
        return rows_affected(tag) > 0

    async def _issue_as_before(self, mail: Mail, digest: bytes, lifetime: timedelta) -> None:
        await self.connection.execute(
            """
            INSERT INTO auth.mail_tokens (user_id, kind, mail_id, digest, expires_at)
            VALUES ($1, $2, $3, $4, now() + $5::interval)
            ON CONFLICT (user_id, kind) DO UPDATE
               SET mail_id = excluded.mail_id, digest = excluded.digest, expires_at = excluded.expires_at
            """,
            mail.user_id,
            mail.kind.value,
            mail.id,
            digest,
            lifetime,
        )

    async def token(self, digest: bytes) -> MailToken | None:
        """Returns the token with this digest."""
        row = await self.connection.fetchrow(
            """
            SELECT mail_id, kind, user_id, expires_at <= now() AS is_expired
              FROM auth.mailed_tokens WHERE digest = $1
             UNION ALL
            SELECT mail_id, kind, user_id, expires_at <= now() FROM auth.mail_tokens WHERE digest = $1
             LIMIT 1
            """,
            digest,
        )
        if row is None:
            return None
        return MailToken(
            mail_id=row["mail_id"],
            kind=MailKind(row["kind"]),
            user_id=row["user_id"],
            is_expired=row["is_expired"],
        )

    async def spend(self, digest: bytes) -> bool:
        """Uses a token up; says whether it still counted."""
        counted = await self.connection.fetchval(
            """
            WITH spent AS (
                DELETE FROM auth.mailed_tokens WHERE digest = $1 AND expires_at > now() RETURNING digest
            ), spent_before AS (
                DELETE FROM auth.mail_tokens WHERE digest = $1 AND expires_at > now() RETURNING digest
            )
            SELECT EXISTS (SELECT FROM spent UNION ALL SELECT FROM spent_before)
            """,
            digest,
        )
        return bool(counted)

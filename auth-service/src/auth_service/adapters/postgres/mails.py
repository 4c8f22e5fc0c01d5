"""The mail queue in Postgres, the tokens in mails, and the notification that a mail was queued."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import structlog
from chassis.backoff import Backoff
from chassis.component import Component
from chassis.grpc.call import current_traceparent
from chassis.ids import uuid7
from chassis.postgres.connection import Connection, rows_affected
from chassis.postgres.failures import BUSY, LOST, REFUSED
from chassis.postgres.notifications import open_listening
from chassis.postgres.pool import Pool
from prometheus_client import Gauge

from auth_service.domain.mail import Mail, MailKind, MailToken

log = structlog.get_logger()

CHANNEL = "auth_mails"
"""Notified when a mail is queued."""

KNOWN_BEFORE = (MailKind.EMAIL_VERIFICATION, MailKind.PASSWORD_RESET)
"""Kinds of tokens that the previous release accepts, from its own table `auth.mail_tokens`."""

_LATE_SECONDS = 0.1
"""Postgres' clock says when a mail is due: it must be by then."""

_PENDING = Gauge("mails_pending", "Mails in the queue, including those that will be retried.")
_PENDING_AGE = Gauge("mails_oldest_pending_seconds", "Age of the oldest mail in the queue.")


class PostgresMails(Component):
    """`MailRepository` on one connection."""

    connection: Connection

    async def queue(self, kind: MailKind, user_id: UUID) -> UUID:
        """Adds a mail and, on commit, notifies the senders; returns its id."""
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
        """Returns a mail that is due, and reserves it for the lease."""
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
            [kind.value for kind in MailKind],  # A kind of a later release is left to that.
        )
        return None if row is None else Mail(**{**row, "kind": MailKind(row["kind"])})

    async def delay(self, mail_id: UUID, wait: timedelta) -> None:
        """Postpones a mail."""
        await self.connection.execute(
            "UPDATE auth.mails SET due_at = now() + $2::interval WHERE id = $1", mail_id, wait
        )

    async def remove(self, mail_id: UUID) -> None:
        """Deletes a mail that will not be sent any more, and leaves tokens as they are."""
        await self.connection.execute("DELETE FROM auth.mails WHERE id = $1", mail_id)

    async def note_delivered(self, mail: Mail) -> None:
        """Deletes a mail that was delivered, with the earlier mails of its kind and their tokens."""
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
        """Deletes a mail that was rejected for good, with its token."""
        await self.remove(mail.id)
        await self.connection.execute("DELETE FROM auth.mailed_tokens WHERE mail_id = $1", mail.id)
        await self.connection.execute("DELETE FROM auth.mail_tokens WHERE mail_id = $1", mail.id)

    async def withdraw(self, user_id: UUID, *kinds: MailKind) -> None:
        """Deletes a user's queued mails of these kinds, and their tokens."""
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
        """Returns the kinds of a user's queued mails."""
        rows = await self.connection.fetch(
            "SELECT kind FROM auth.mails WHERE user_id = $1 ORDER BY queued_at, id", user_id
        )
        return [MailKind(row["kind"]) for row in rows]

    async def issue(self, mail: Mail, digest: bytes, lifetime: timedelta) -> bool:
        """Makes a token valid from now on, beside those of earlier mails."""
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
        return None if row is None else MailToken(**{**row, "kind": MailKind(row["kind"])})

    async def spend(self, digest: bytes) -> bool:
        """Uses up a token; returns whether it was still valid."""
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


class MailQueueListener:
    """Waits for notifications that a mail was queued, on a connection of its own.

    A connection of the pool cannot listen. While Postgres is unreachable there are no notifications;
    the sender looks at the queue from time to time in any case.
    """

    def __init__(self, postgres_url: str, application_name: str) -> None:
        self._postgres_url = postgres_url
        self._application_name = application_name
        self._queued = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Returns when a mail was queued since the last call, or after that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._queued.wait()
        self._queued.clear()

    def wake_after(self, wait: timedelta) -> None:
        """Ends the wait after that time, when a mail is due that waits for another attempt."""
        asyncio.get_running_loop().call_later(wait.total_seconds() + _LATE_SECONDS, self._queued.set)

    async def run(self) -> None:
        """Listens until cancelled."""
        backoff = Backoff(limit_seconds=2.0)
        while True:
            try:
                await self._listen()
                backoff.reset()
            except (*LOST, *REFUSED, *BUSY) as error:
                log.info("mail queue listener disconnected; retrying", error=type(error).__name__)
            await backoff.pause()

    async def _listen(self) -> None:
        lost = asyncio.Event()
        channels = {CHANNEL: self._queued.set}
        name = self._application_name
        async with open_listening(
            self._postgres_url, application_name=name, channels=channels, lost=lost.set
        ):
            await lost.wait()


async def measure_backlog(pool: Pool) -> int:
    """Sets the gauges of the queue, which are the same at every instance: aggregate them by max, not sum.

    Returns:
        0, since there is nothing for a log to count.

    Raises:
        Unavailable: Postgres cannot be reached.
    """
    row = await pool.fetchrow(
        "SELECT count(*) AS pending, extract(epoch FROM now() - min(queued_at))::float8 AS age"
        " FROM auth.mails"
    )
    if row is not None:
        _PENDING.set(row["pending"])
        _PENDING_AGE.set(row["age"] or 0.0)
    return 0

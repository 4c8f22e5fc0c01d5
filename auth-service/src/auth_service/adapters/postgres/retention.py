"""Deletes expired rows in Postgres, a small batch at a time, so that no other statement waits for long."""

from datetime import timedelta

from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.idempotency.record import RESPONSES_KEPT
from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.device import REMEMBERED
from auth_service.domain.email_change import TARGET_WINDOW
from auth_service.domain.login_throttle import BLOCK
from auth_service.domain.second_factor import CHALLENGE_LIFETIME

SESSIONS_KEPT = timedelta(days=30)
"""How long an ended or expired session is kept, so that the error for its tokens can say why they fail."""

API_KEYS_KEPT = timedelta(days=30)
"""How long a revoked or expired API key is kept, so that the error for it can say why it fails."""

MAIL_TOKENS_KEPT = timedelta(days=1)
"""How long an expired token is kept, so that its error differs from that of a wrong one."""

MAILS_KEPT = timedelta(days=5)
"""How long delivery of a mail is tried."""


@dataclass(frozen=True, slots=True)
class _Expired:
    """Which rows of a table have expired.

    Attributes:
        table: In schema `auth`.
        key: The columns that identify a row.
        condition: When it has expired; `$2` stands for `after`.
        after: How long rows are kept; None when the condition needs no time.
    """

    table: str
    key: str
    condition: str
    after: timedelta | None = None

    @property
    def statement(self) -> str:
        """Deletes up to `$1` such rows, except those that another process is deleting."""
        return (
            f"DELETE FROM auth.{self.table} WHERE ({self.key}) IN (SELECT {self.key} FROM auth.{self.table}"  # noqa: S608 of constants
            f" WHERE {self.condition} LIMIT $1 FOR UPDATE SKIP LOCKED)"
        )


EXPIRED = (
    _Expired("revocations", "position", "expires_at < now()"),
    _Expired("revocations_of_all", "position", "expires_at < now() AND sessions_ended"),
    _Expired(
        "sign_in_failures",
        "account, client",
        "updated_at < now() - $2::interval AND coalesce(blocked_until < now(), true)",
        BLOCK,
    ),
    _Expired("sessions", "id", "ended_at < now() - $2::interval", SESSIONS_KEPT),
    _Expired("sessions", "id", "ended_at IS NULL AND expires_at < now() - $2::interval", SESSIONS_KEPT),
    _Expired("attempts", "name", "began_at < now() - $2::interval", RESPONSES_KEPT),
    _Expired("known_devices", "user_id, digest", "added_at < now() - $2::interval", REMEMBERED),
    _Expired("api_keys", "id", "least(expires_at, revoked_at) < now() - $2::interval", API_KEYS_KEPT),
    _Expired("mailed_tokens", "mail_id", "expires_at < now() - $2::interval", MAIL_TOKENS_KEPT),
    _Expired("mail_tokens", "digest", "expires_at < now() - $2::interval", MAIL_TOKENS_KEPT),
    _Expired("mails", "id", "queued_at < now() - $2::interval", MAILS_KEPT),
    _Expired("former_emails", "mail_id", "expires_at < now()"),
    _Expired("mail_targets", "target", "updated_at < now() - $2::interval", TARGET_WINDOW),
    # An expired second step is kept for as long again, so that its error differs from that of a wrong one.
    _Expired("mfa_challenges", "digest", "expires_at < now() - $2::interval", CHALLENGE_LIFETIME),
    _Expired("passkey_challenges", "digest", "expires_at < now()"),
)


class PostgresRetention(Component):
    """`Retention` on one connection."""

    connection: Connection

    async def purge(self, limit: int) -> int:
        """Deletes up to `limit` rows of each kind; returns how many it deleted in all."""
        deleted = 0
        for expired in EXPIRED:
            kept = () if expired.after is None else (expired.after,)
            deleted += rows_affected(await self.connection.execute(expired.statement, limit, *kept))
        return deleted

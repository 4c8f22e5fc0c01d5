"""Deleting what has served its time, a small batch at a time so that nobody waits for it."""

from dataclasses import dataclass
from datetime import timedelta

from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.device import REMEMBERED
from auth_service.domain.email_change import TARGET_WINDOW
from auth_service.domain.idempotency import ANSWERS_KEPT
from auth_service.domain.login_throttle import BLOCK
from auth_service.domain.second_factor import CHALLENGE_LIFETIME

SESSIONS_KEPT = timedelta(days=30)
"""How long an ended or expired session is kept, so that its tokens are told why they fail."""

API_KEYS_KEPT = timedelta(days=30)
"""How long a revoked or expired key is kept, so that machines are told why it fails."""

MAIL_TOKENS_KEPT = timedelta(days=1)
"""How long an expired token is still told apart from a wrong one."""

MAILS_KEPT = timedelta(days=5)
"""How long a mail is tried to be sent."""


@dataclass(frozen=True, slots=True)
class PostgresRetention:
    """`Retention` on one connection."""

    connection: Connection

    async def purge(self, limit: int) -> int:
        """Deletes up to `limit` rows of each kind; returns how many it deleted."""
        revocations = await self.connection.execute(
            """
            DELETE FROM auth.revocations WHERE position IN (
                SELECT position FROM auth.revocations WHERE expires_at < now()
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
        )
        revocations_of_all = await self.connection.execute(
            """
            DELETE FROM auth.revocations_of_all WHERE position IN (
                SELECT position FROM auth.revocations_of_all WHERE expires_at < now() AND sessions_ended
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
        )
        failures = await self.connection.execute(
            """
            DELETE FROM auth.sign_in_failures WHERE (account, client) IN (
                SELECT account, client FROM auth.sign_in_failures
                 WHERE updated_at < now() - $2::interval AND coalesce(blocked_until < now(), true)
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
            BLOCK,
        )
        ended = await self.connection.execute(
            """
            DELETE FROM auth.sessions WHERE id IN (
                SELECT id FROM auth.sessions WHERE ended_at < now() - $2::interval
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
            SESSIONS_KEPT,
        )
        expired = await self.connection.execute(
            """
            DELETE FROM auth.sessions WHERE id IN (
                SELECT id FROM auth.sessions WHERE ended_at IS NULL AND expires_at < now() - $2::interval
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
            SESSIONS_KEPT,
        )
        attempts = await self.connection.execute(
            """
            DELETE FROM auth.attempts WHERE name IN (
                SELECT name FROM auth.attempts WHERE began_at < now() - $2::interval
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
            ANSWERS_KEPT,
        )
        devices = await self.connection.execute(
            """
            DELETE FROM auth.known_devices WHERE (user_id, digest) IN (
                SELECT user_id, digest FROM auth.known_devices WHERE added_at < now() - $2::interval
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
            REMEMBERED,
        )
        tags = (devices, revocations, revocations_of_all, failures, ended, expired, attempts)
        deleted = sum(rows_affected(tag) for tag in tags) + await self._api_keys(limit)
        return deleted + await self._mails(limit) + await self._challenges(limit)

    async def _api_keys(self, limit: int) -> int:
        tag = await self.connection.execute(
            """
            DELETE FROM auth.api_keys WHERE id IN (
                SELECT id FROM auth.api_keys WHERE least(expires_at, revoked_at) < now() - $2::interval
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
            API_KEYS_KEPT,
        )
        return rows_affected(tag)

    async def _mails(self, limit: int) -> int:
        tokens = await self.connection.execute(
            """
            DELETE FROM auth.mailed_tokens WHERE mail_id IN (
                SELECT mail_id FROM auth.mailed_tokens WHERE expires_at < now() - $2::interval
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
            MAIL_TOKENS_KEPT,
        )
        tokens_of_before = await self.connection.execute(
            """
            DELETE FROM auth.mail_tokens WHERE digest IN (
                SELECT digest FROM auth.mail_tokens WHERE expires_at < now() - $2::interval
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
            MAIL_TOKENS_KEPT,
        )
        mails = await self.connection.execute(
            """
            DELETE FROM auth.mails WHERE id IN (
                SELECT id FROM auth.mails WHERE queued_at < now() - $2::interval
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
            MAILS_KEPT,
        )
        former = await self.connection.execute(
            """
            DELETE FROM auth.former_emails WHERE mail_id IN (
                SELECT mail_id FROM auth.former_emails WHERE expires_at < now()
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
        )
        targets = await self.connection.execute(
            """
            DELETE FROM auth.mail_targets WHERE target IN (
                SELECT target FROM auth.mail_targets WHERE updated_at < now() - $2::interval
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
            TARGET_WINDOW,
        )
        return sum(rows_affected(tag) for tag in (tokens, tokens_of_before, mails, former, targets))

    async def _challenges(self, limit: int) -> int:
        # An expired second step is told apart from a wrong one for as long again.
        challenges = await self.connection.execute(
            """
            DELETE FROM auth.mfa_challenges WHERE digest IN (
                SELECT digest FROM auth.mfa_challenges WHERE expires_at < now() - $2::interval
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
            CHALLENGE_LIFETIME,
        )
        ceremonies = await self.connection.execute(
            """
            DELETE FROM auth.passkey_challenges WHERE digest IN (
                SELECT digest FROM auth.passkey_challenges WHERE expires_at < now()
                 LIMIT $1 FOR UPDATE SKIP LOCKED)
            """,
            limit,
        )
        return rows_affected(challenges) + rows_affected(ceremonies)

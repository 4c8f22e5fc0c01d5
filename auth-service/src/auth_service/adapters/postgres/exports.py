"""What is held about a person, for the person, out of every table that holds any of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.postgres.connection import Connection

from auth_service.adapters.postgres.api_keys import api_key_of
from auth_service.adapters.postgres.audit import chained_of
from auth_service.domain.api_key import ApiKey
from auth_service.domain.audit import ChainedEntry
from auth_service.domain.export import (
    CredentialExport,
    MailTokenExport,
    SecondFactorExport,
)
from auth_service.domain.mail import MailKind
from auth_service.domain.session import Session
from auth_service.domain.user import Role


@dataclass(frozen=True, slots=True)
class PostgresExports:
    """`ExportRepository` on one connection."""

    connection: Connection

    async def credential(self, user_id: UUID) -> CredentialExport | None:
        """Returns a person's credential."""
        row = await self.connection.fetchrow(
            """
            SELECT email, email_verified, role, is_active, created_at, password_changed_at
              FROM auth.credentials WHERE user_id = $1
            """,
            user_id,
        )
        return None if row is None else CredentialExport(**{**row, "role": Role(row["role"])})

    async def sessions(self, user_id: UUID) -> Sequence[Session]:
        """Returns a person's sessions, ended ones as well, the newest first."""
        rows = await self.connection.fetch(
            """
            SELECT id, user_id, counter, rotated_at, created_at, last_used_at, expires_at, ended_at, ip,
                   user_agent, coalesce(auth_time, created_at) AS auth_time, coalesce(amr, '{}') AS amr
              FROM auth.sessions WHERE user_id = $1 ORDER BY created_at DESC, id DESC
            """,
            user_id,
        )
        return [Session(**dict(row)) for row in rows]

    async def second_factors(self, user_id: UUID) -> Sequence[SecondFactorExport]:
        """Returns what else than the password proves who the person is."""
        rows = await self.connection.fetch(
            """
            SELECT 'totp' AS kind, '' AS name, is_confirmed, 1 AS count,
                   NULL::timestamptz AS created_at, NULL::timestamptz AS last_used_at
              FROM auth.authenticators WHERE user_id = $1
             UNION ALL
            SELECT 'recovery_codes', '', true, count(*)::integer, NULL, NULL
              FROM auth.recovery_codes WHERE user_id = $1 HAVING count(*) > 0
             UNION ALL
            (SELECT 'passkey', name, true, 1, created_at, last_used_at
               FROM auth.passkeys WHERE user_id = $1 ORDER BY created_at, id)
            """,
            user_id,
        )
        return [SecondFactorExport(**dict(row)) for row in rows]

    async def api_keys(self, user_id: UUID) -> Sequence[ApiKey]:
        """Returns a person's API keys, revoked ones as well, the newest first."""
        rows = await self.connection.fetch(
            """
            SELECT id, user_id, name, scopes, prefix, digest, created_at, expires_at, last_used_at,
                   revoked_at
              FROM auth.api_keys WHERE user_id = $1 ORDER BY created_at DESC, id DESC
            """,
            user_id,
        )
        return [api_key_of(row) for row in rows]

    async def mail_tokens(self, user_id: UUID) -> Sequence[MailTokenExport]:
        """Returns a person's tokens that were mailed."""
        rows = await self.connection.fetch(
            """
            SELECT kind, expires_at FROM auth.mailed_tokens WHERE user_id = $1
             UNION
            SELECT kind, expires_at FROM auth.mail_tokens WHERE user_id = $1
             ORDER BY kind, expires_at
            """,
            user_id,
        )
        return [MailTokenExport(kind=MailKind(row["kind"]), expires_at=row["expires_at"]) for row in rows]

    async def wrong_passwords(self, account: bytes) -> Sequence[datetime]:
        """Returns when wrong passwords were sent for an account."""
        rows = await self.connection.fetch(
            """
            SELECT failure FROM auth.sign_in_failures, unnest(failed_at) AS failure
             WHERE account = $1 ORDER BY failure
            """,
            account,
        )
        return [row["failure"] for row in rows]

    async def audit(self, user_id: UUID, below: int | None, limit: int) -> Sequence[ChainedEntry]:
        """Returns entries by or about a person, the newest first; with `below`, those before it."""
        # Each half walks its own index from its end, however long the chain is.
        rows = await self.connection.fetch(
            """
            WITH told AS (
                (SELECT sequence FROM auth.audit_events
                  WHERE actor_id = $1 AND sequence < coalesce($2, 9223372036854775807)
                  ORDER BY sequence DESC LIMIT $3)
                UNION
                (SELECT sequence FROM auth.audit_events
                  WHERE subject_id = $1 AND sequence < coalesce($2, 9223372036854775807)
                  ORDER BY sequence DESC LIMIT $3)
            )
            SELECT sequence, id, occurred_at, actor_id, subject_id, action, outcome, ip, user_agent,
                   request_id, details, hash, salt
              FROM auth.audit_trail WHERE sequence IN (SELECT sequence FROM told)
             ORDER BY sequence DESC LIMIT $3
            """,
            user_id,
            below,
            limit,
        )
        return [chained_of(row) for row in rows]

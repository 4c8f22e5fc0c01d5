"""The export of a user's data, from every table that has any of it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.component import Component
from chassis.identity.role import Role
from chassis.postgres.connection import Connection

from auth_service.adapters.postgres import api_keys, audit
from auth_service.domain.api_key import ApiKey
from auth_service.domain.audit import ChainedEntry
from auth_service.domain.export import CredentialExport, MailTokenExport, SecondFactorExport
from auth_service.domain.mail import MailKind
from auth_service.domain.session import Session


class PostgresExports(Component):
    """`ExportRepository` on one connection."""

    connection: Connection

    async def credential(self, user_id: UUID) -> CredentialExport | None:
        """Returns a user's credential."""
        row = await self.connection.fetchrow(
            """
            SELECT email, email_verified, role, is_active, created_at, password_changed_at, accept_language
              FROM auth.credentials WHERE user_id = $1
            """,
            user_id,
        )
        return None if row is None else CredentialExport(**{**row, "role": Role(row["role"])})

    async def sessions(self, user_id: UUID) -> Sequence[Session]:
        """Returns a user's sessions, including ended ones, newest first."""
        rows = await self.connection.fetch(
            """
            SELECT id, user_id, counter, rotated_at, created_at, last_used_at, expires_at, ended_at, ip,
                   user_agent, coalesce(auth_time, created_at) AS auth_time, coalesce(amr, '{}') AS amr
              FROM auth.sessions WHERE user_id = $1 ORDER BY created_at DESC, id DESC
            """,
            user_id,
        )
        return [Session(**row) for row in rows]

    async def second_factors(self, user_id: UUID) -> Sequence[SecondFactorExport]:
        """Returns what besides the password authenticates the user."""
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
        return [SecondFactorExport(**row) for row in rows]

    async def api_keys(self, user_id: UUID) -> Sequence[ApiKey]:
        """Returns a user's API keys, including revoked ones, newest first."""
        rows = await self.connection.fetch(
            api_keys.SELECT + " WHERE user_id = $1 ORDER BY created_at DESC, id DESC", user_id
        )
        return [api_keys.api_key_of(row) for row in rows]

    async def mail_tokens(self, user_id: UUID) -> Sequence[MailTokenExport]:
        """Returns the tokens that were mailed to a user."""
        rows = await self.connection.fetch(
            """
            SELECT kind, expires_at FROM auth.mailed_tokens WHERE user_id = $1
             UNION
            SELECT kind, expires_at FROM auth.mail_tokens WHERE user_id = $1
             ORDER BY kind, expires_at
            """,
            user_id,
        )
        return [MailTokenExport(**{**row, "kind": MailKind(row["kind"])}) for row in rows]

    async def wrong_passwords(self, account: bytes) -> Sequence[datetime]:
        """Returns when logins at an account failed."""
        rows = await self.connection.fetch(
            """
            SELECT failure FROM auth.sign_in_failures, unnest(failed_at) AS failure
             WHERE account = $1 ORDER BY failure
            """,
            account,
        )
        return [row["failure"] for row in rows]

    async def audit(self, user_id: UUID, below: int | None, limit: int) -> Sequence[ChainedEntry]:
        """Returns audit entries by or about a user, newest first; with `below`, those before it."""
        # Each half reads its own index from the end, so the length of the chain does not matter.
        rows = await self.connection.fetch(
            f"""
            WITH own AS (
                (SELECT sequence FROM auth.audit_events
                  WHERE actor_id = $1 AND sequence < coalesce($2, 9223372036854775807)
                  ORDER BY sequence DESC LIMIT $3)
                UNION
                (SELECT sequence FROM auth.audit_events
                  WHERE subject_id = $1 AND sequence < coalesce($2, 9223372036854775807)
                  ORDER BY sequence DESC LIMIT $3)
            )
            {audit.SELECT}
             WHERE sequence IN (SELECT sequence FROM own) ORDER BY sequence DESC LIMIT $3
            """,  # noqa: S608 of constants
            user_id,
            below,
            limit,
        )
        return [audit.chained_of(row) for row in rows]

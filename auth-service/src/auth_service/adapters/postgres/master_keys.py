"""What in Postgres depends on the master key: read, encrypted again, and counted."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

from chassis.component import Component
from chassis.idempotency.record import RESPONSES_KEPT
from chassis.postgres.master_keys import IN_USE
from chassis.postgres.pool import Pool

from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.master_key import Remainder
from auth_service.domain.signing_key import RetiredKey, SigningKey

_BATCH = 500
_REMAINDERS = """
SELECT 'refresh tokens' AS what, count(*) AS count, max(expires_at) AS until
  FROM auth.sessions WHERE ended_at IS NULL AND expires_at > now() AND last_used_at <= $1
 UNION ALL
SELECT 'API keys', count(*), CASE WHEN bool_and(expires_at IS NOT NULL) THEN max(expires_at) END
  FROM auth.api_keys
 WHERE revoked_at IS NULL AND coalesce(expires_at > now(), true) AND coalesce(last_used_at, created_at) <= $1
 UNION ALL
SELECT 'recovery codes', count(*), NULL FROM auth.recovery_codes WHERE created_at <= $1
 UNION ALL
SELECT 'tokens in mails', count(*), max(expires_at)
  FROM auth.mailed_tokens WHERE expires_at > now() AND queued_at <= $1
 UNION ALL
SELECT 'kept answers', count(*), max(began_at) + $2::interval
  FROM auth.attempts WHERE began_at > now() - $2::interval AND began_at <= $1
"""
"""What was made with an earlier master key and not used since: what is used is made again then."""


class PostgresResealing(Component):
    """`ResealRepository` on a pool."""

    pool: Pool

    async def signing_keys(self) -> Sequence[SigningKey]:
        """Returns the signing keys that are not retired."""
        async with PostgresUnitsOfWork(self.pool).statements() as unit:
            return await unit.signing_keys.all()

    async def retired_keys(self) -> Sequence[RetiredKey]:
        """Returns the retired signing keys."""
        async with PostgresUnitsOfWork(self.pool).statements() as unit:
            return await unit.signing_keys.retired()

    async def authenticators(self) -> AsyncIterator[tuple[UUID, bytes]]:
        """Yields users and their encrypted secrets."""
        after = UUID(int=0)
        while True:
            rows = await self.pool.fetch(
                """
                SELECT user_id, sealed_secret FROM auth.authenticators
                 WHERE user_id > $1 ORDER BY user_id LIMIT $2
                """,
                after,
                _BATCH,
            )
            for row in rows:
                yield row["user_id"], row["sealed_secret"]
            if len(rows) < _BATCH:
                return
            after = rows[-1]["user_id"]

    async def keep_signing_key(self, before: SigningKey, after: SigningKey) -> None:
        """Replaces an encrypted private half, unless it has changed meanwhile."""
        await self.pool.execute(
            "UPDATE auth.signing_keys SET sealed_private_key = $3 WHERE kid = $1 AND sealed_private_key = $2",
            before.kid,
            before.sealed_private_key,
            after.sealed_private_key,
        )

    async def keep_attestation(self, kid: str, attestation: bytes) -> None:
        """Adds an attestation to those of a retired key."""
        await self.pool.execute(
            "INSERT INTO auth.later_attestations (kid, attestation) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            kid,
            attestation,
        )

    async def keep_authenticator(self, user_id: UUID, before: bytes, after: bytes) -> None:
        """Replaces an encrypted secret, unless it has changed meanwhile."""
        await self.pool.execute(
            "UPDATE auth.authenticators SET sealed_secret = $3 WHERE user_id = $1 AND sealed_secret = $2",
            user_id,
            before,
            after,
        )

    async def written_since(self, key_id: str) -> tuple[datetime | None, bool]:
        """Returns since when only that key is written with, and whether another may still be in use."""
        row = await self.pool.fetchrow(
            """
            WITH others AS (
                SELECT max(last_used_at) + $2::interval AS until FROM auth.master_keys WHERE key_id <> $1
            )
            SELECT greatest(first_used_at, until) AS since, coalesce(until > now(), false) AS is_mixed
              FROM auth.master_keys, others WHERE key_id = $1
            """,
            key_id,
            IN_USE,
        )
        return (None, False) if row is None else (row["since"], row["is_mixed"])

    async def remainders(self, since: datetime | None) -> Sequence[Remainder]:
        """Returns what was made before then; with None, everything."""
        rows = await self.pool.fetch(_REMAINDERS, since or datetime.now(UTC), RESPONSES_KEPT)
        return [Remainder(**row) for row in rows]

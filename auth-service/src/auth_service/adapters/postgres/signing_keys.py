"""Signing keys in Postgres, their private halves encrypted."""

from collections.abc import Sequence

from chassis.component import Component
from chassis.postgres.connection import Connection

from auth_service.domain.signing_key import RetiredKey, SigningKey


class PostgresSigningKeys(Component):
    """`SigningKeyRepository` on one connection."""

    connection: Connection

    async def all(self) -> Sequence[SigningKey]:
        """Returns every key that is not retired, oldest first."""
        rows = await self.connection.fetch(
            """
            SELECT kid, x, y, sealed_private_key, published_at, active_from, removed_from
              FROM auth.signing_keys ORDER BY active_from, kid
            """
        )
        return [SigningKey(**row) for row in rows]

    async def lock(self) -> None:
        """Prevents every other process from adding keys until the transaction ends."""
        await self.connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('auth.signing_keys', 0))"
        )

    async def add(self, key: SigningKey) -> None:
        """Adds a key."""
        await self.connection.execute(
            """
            INSERT INTO auth.signing_keys
                   (kid, x, y, sealed_private_key, published_at, active_from, removed_from)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            key.kid,
            key.x,
            key.y,
            key.sealed_private_key,
            key.published_at,
            key.active_from,
            key.removed_from,
        )

    async def end(self, key: SigningKey) -> None:
        """Stores when the JWKS stops showing a key."""
        await self.connection.execute(
            "UPDATE auth.signing_keys SET removed_from = $2 WHERE kid = $1", key.kid, key.removed_from
        )

    async def retire(self, key: RetiredKey) -> None:
        """Deletes a key's private half and keeps its public half for ever."""
        await self.connection.execute(
            """
            INSERT INTO auth.retired_signing_keys
                   (kid, x, y, attestation, published_at, active_from, removed_from)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            key.kid,
            key.x,
            key.y,
            key.attestation,
            key.published_at,
            key.active_from,
            key.removed_from,
        )
        await self.connection.execute("DELETE FROM auth.signing_keys WHERE kid = $1", key.kid)

    async def retired(self) -> Sequence[RetiredKey]:
        """Returns every retired key, oldest first."""
        rows = await self.connection.fetch(
            """
            SELECT kid, x, y, attestation, published_at, active_from, removed_from,
                   ARRAY(SELECT later.attestation FROM auth.later_attestations AS later
                          WHERE later.kid = key.kid) AS later_attestations
              FROM auth.retired_signing_keys AS key ORDER BY active_from, kid
            """
        )
        return [RetiredKey(**{**row, "later_attestations": tuple(row["later_attestations"])}) for row in rows]

"""API keys in Postgres."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.component import Component
from chassis.identity.role import Role
from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.api_key import USE_NOTED_EVERY, ApiKey, KeyHolder

SELECT = """
SELECT id, user_id, name, scopes, prefix, digest, created_at, expires_at, last_used_at, revoked_at
  FROM auth.api_keys"""
"""What `api_key_of` reads, to be followed by a condition."""


class PostgresApiKeys(Component):
    """`ApiKeyRepository` on one connection."""

    connection: Connection

    async def add(self, key: ApiKey) -> None:
        """Adds a key."""
        await self.connection.execute(
            """
            INSERT INTO auth.api_keys (id, user_id, name, scopes, prefix, digest, created_at, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            key.id,
            key.user_id,
            key.name,
            list(key.scopes),
            key.prefix,
            key.digest,
            key.created_at,
            key.expires_at,
        )

    async def of_user(self, user_id: UUID) -> Sequence[ApiKey]:
        """Returns a user's keys that were not revoked, newest first."""
        rows = await self.connection.fetch(
            SELECT + " WHERE user_id = $1 AND revoked_at IS NULL ORDER BY created_at DESC, id DESC", user_id
        )
        return [api_key_of(row) for row in rows]

    async def by_id(self, key_id: UUID) -> ApiKey | None:
        """Returns a key."""
        row = await self.connection.fetchrow(SELECT + " WHERE id = $1", key_id)
        return None if row is None else api_key_of(row)

    async def find(self, prefix: str) -> KeyHolder | None:
        """Returns the key that begins with this prefix, with its user."""
        row = await self.connection.fetchrow(
            """
            SELECT key.id, user_id, key.name, key.scopes, key.prefix, key.digest, key.created_at,
                   key.expires_at, key.last_used_at, key.revoked_at, role, is_active,
                   second_factor OR EXISTS (SELECT FROM auth.passkeys AS passkey
                                             WHERE passkey.user_id = key.user_id) AS has_two_factors,
                   clock_timestamp() AS read_at
              FROM auth.api_keys AS key JOIN auth.credentials USING (user_id) WHERE key.prefix = $1
            """,
            prefix,
        )
        if row is None:
            return None
        return KeyHolder(
            key=api_key_of(row),
            role=Role(row["role"]),
            is_active=row["is_active"],
            read_at=row["read_at"],
            has_two_factors=row["has_two_factors"],
        )

    async def revoke(self, key_id: UUID, user_id: UUID) -> bool:
        """Revokes a user's key; returns whether there was one."""
        tag = await self.connection.execute(
            """
            UPDATE auth.api_keys SET revoked_at = now()
             WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL
            """,
            key_id,
            user_id,
        )
        return rows_affected(tag) > 0

    async def revoke_all(self, user_id: UUID) -> None:
        """Revokes every key of a user."""
        await self.connection.execute(
            "UPDATE auth.api_keys SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL", user_id
        )

    async def keep_digest(self, key_id: UUID, digest: bytes) -> None:
        """Replaces the digest of a key by one made with the current master key."""
        await self.connection.execute("UPDATE auth.api_keys SET digest = $2 WHERE id = $1", key_id, digest)

    async def note_use(self, key_id: UUID) -> None:
        """Records that a key was used, unless that was recorded within `USE_NOTED_EVERY`."""
        await self.connection.execute(
            """
            UPDATE auth.api_keys SET last_used_at = now()
             WHERE id = $1 AND coalesce(last_used_at <= now() - $2::interval, true)
            """,
            key_id,
            USE_NOTED_EVERY,
        )


def api_key_of(row: Any) -> ApiKey:
    """Returns the key in a row of `SELECT`, which may have more columns."""
    return ApiKey(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        scopes=tuple(row["scopes"]),
        prefix=row["prefix"],
        digest=row["digest"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )

"""Passkeys and the challenges that they answer, in Postgres."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from chassis.component import Component
from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.errors import PasskeyRegistered
from auth_service.domain.passkey import Challenge, NewPasskey, Passkey, Signed

_COLUMNS = (
    "id, user_id, name, credential_id, public_key, sign_count, transports, is_backed_up, created_at,"
    " last_used_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM auth.passkeys"  # noqa: S608 of constants


class PostgresPasskeys(Component):
    """`PasskeyRepository` on one connection."""

    connection: Connection

    async def open_challenge(self, challenge: Challenge, lifetime: timedelta) -> None:
        """Stores a challenge for that time."""
        await self.connection.execute(
            """
            INSERT INTO auth.passkey_challenges (digest, ceremony, user_id, session_id, expires_at)
            VALUES ($1, $2, $3, $4, now() + $5::interval)
            """,
            challenge.digest,
            challenge.ceremony.value,
            challenge.user_id,
            challenge.session_id,
            lifetime,
        )

    async def spend_challenge(self, challenge: Challenge) -> bool:
        """Deletes a challenge; returns whether it was open, for exactly this ceremony, user and session."""
        tag = await self.connection.execute(
            """
            DELETE FROM auth.passkey_challenges
             WHERE digest = $1 AND ceremony = $2 AND expires_at > now()
               AND user_id IS NOT DISTINCT FROM $3 AND session_id IS NOT DISTINCT FROM $4
            """,
            challenge.digest,
            challenge.ceremony.value,
            challenge.user_id,
            challenge.session_id,
        )
        return rows_affected(tag) > 0

    async def of_user(self, user_id: UUID) -> Sequence[Passkey]:
        """Returns a user's passkeys, oldest first."""
        rows = await self.connection.fetch(_SELECT + " WHERE user_id = $1 ORDER BY created_at, id", user_id)
        return [_passkey_of(row) for row in rows]

    async def by_credential_id(self, credential_id: bytes) -> Passkey | None:
        """Returns the passkey with the id that its authenticator gave it."""
        row = await self.connection.fetchrow(_SELECT + " WHERE credential_id = $1", credential_id)
        return None if row is None else _passkey_of(row)

    async def add(self, passkey_id: UUID, user_id: UUID, name: str, made: NewPasskey) -> Passkey:
        """Adds a passkey.

        Raises:
            PasskeyRegistered: it is registered already, for this user or another.
        """
        try:
            row = await self.connection.fetchrow(
                f"""
                INSERT INTO auth.passkeys
                       (id, user_id, name, credential_id, public_key, sign_count, transports, is_backed_up)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                RETURNING {_COLUMNS}
                """,  # noqa: S608 of constants
                passkey_id,
                user_id,
                name,
                made.credential_id,
                made.public_key,
                made.sign_count,
                list(made.transports),
                made.is_backed_up,
            )
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name != "passkeys_credential_id_unique":
                raise
            raise PasskeyRegistered from error
        return _passkey_of(row)

    async def use(self, passkey_id: UUID, signed: Signed) -> bool:
        """Records a sign-in; returns False when the counter has not risen, or the passkey was removed."""
        tag = await self.connection.execute(
            """
            UPDATE auth.passkeys SET sign_count = $2, is_backed_up = $3, last_used_at = now()
             WHERE id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0))
            """,
            passkey_id,
            signed.sign_count,
            signed.is_backed_up,
        )
        return rows_affected(tag) > 0

    async def remove(self, passkey_id: UUID, user_id: UUID) -> bool:
        """Deletes a user's passkey; returns whether there was one."""
        tag = await self.connection.execute(
            "DELETE FROM auth.passkeys WHERE id = $1 AND user_id = $2", passkey_id, user_id
        )
        return rows_affected(tag) > 0

    async def remove_all(self, user_id: UUID) -> None:
        """Deletes every passkey of a user."""
        await self.connection.execute("DELETE FROM auth.passkeys WHERE user_id = $1", user_id)

    async def close_challenges(self, user_id: UUID) -> None:
        """Ends the registrations of passkeys that a user has begun."""
        await self.connection.execute("DELETE FROM auth.passkey_challenges WHERE user_id = $1", user_id)


def _passkey_of(row: Any) -> Passkey:
    return Passkey(**{**row, "transports": tuple(row["transports"])})

"""Second factors in Postgres. A sign-in learns from `credentials.second_factor` whether one is on."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.component import Component
from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.second_factor import CHALLENGE_LIFETIME, Authenticator, PendingSignIn


class PostgresSecondFactors(Component):
    """`SecondFactorRepository` on one connection."""

    connection: Connection

    async def authenticator(self, user_id: UUID) -> Authenticator | None:
        """Returns a user's authenticator."""
        row = await self.connection.fetchrow(
            """
            SELECT user_id, sealed_secret, last_step, is_confirmed
              FROM auth.authenticators WHERE user_id = $1
            """,
            user_id,
        )
        return None if row is None else Authenticator(**dict(row))

    async def begin(self, user_id: UUID, sealed_secret: bytes) -> bool:
        """Stores an unconfirmed authenticator in place of another; returns False when one is confirmed."""
        tag = await self.connection.execute(
            """
            INSERT INTO auth.authenticators AS known (user_id, sealed_secret) VALUES ($1, $2)
            ON CONFLICT (user_id) DO UPDATE SET sealed_secret = $2, last_step = -1
             WHERE NOT known.is_confirmed
            """,
            user_id,
            sealed_secret,
        )
        return rows_affected(tag) > 0

    async def confirm(self, user_id: UUID, step: int, recovery: Sequence[bytes]) -> None:
        """Confirms a user's authenticator and stores its recovery codes."""
        await self.connection.execute(
            "UPDATE auth.authenticators SET is_confirmed = true, last_step = $2 WHERE user_id = $1",
            user_id,
            step,
        )
        await self.connection.execute(
            "INSERT INTO auth.recovery_codes (user_id, digest) SELECT $1, unnest($2::bytea[])",
            user_id,
            list(recovery),
        )
        await self.connection.execute(
            "UPDATE auth.credentials SET second_factor = true WHERE user_id = $1", user_id
        )

    async def remove(self, user_id: UUID) -> bool:
        """Deletes everything about a user's second factor; returns whether it was on."""
        tag = await self.connection.execute(
            "UPDATE auth.credentials SET second_factor = false WHERE user_id = $1 AND second_factor", user_id
        )
        await self.connection.execute("DELETE FROM auth.recovery_codes WHERE user_id = $1", user_id)
        await self.connection.execute("DELETE FROM auth.mfa_challenges WHERE user_id = $1", user_id)
        await self.connection.execute("DELETE FROM auth.authenticators WHERE user_id = $1", user_id)
        return rows_affected(tag) > 0

    async def discard_unfinished(self, user_id: UUID) -> None:
        """Deletes an authenticator that was not confirmed, and sign-ins that wait for a code."""
        await self.connection.execute("DELETE FROM auth.mfa_challenges WHERE user_id = $1", user_id)
        await self.connection.execute(
            "DELETE FROM auth.authenticators WHERE user_id = $1 AND NOT is_confirmed", user_id
        )

    async def advance(self, user_id: UUID, step: int) -> bool:
        """Uses up every code until this time step; returns whether this one was still valid."""
        tag = await self.connection.execute(
            """
            UPDATE auth.authenticators SET last_step = $2
             WHERE user_id = $1 AND is_confirmed AND last_step < $2
            """,
            user_id,
            step,
        )
        return rows_affected(tag) > 0

    async def count_recovery_codes(self, user_id: UUID) -> int:
        """Returns how many recovery codes a user has left."""
        count: int = await self.connection.fetchval(
            "SELECT count(*) FROM auth.recovery_codes WHERE user_id = $1", user_id
        )
        return count

    async def spend_recovery_code(self, user_id: UUID, digest: bytes) -> bool:
        """Uses up a recovery code; returns whether there was one."""
        tag = await self.connection.execute(
            "DELETE FROM auth.recovery_codes WHERE user_id = $1 AND digest = $2", user_id, digest
        )
        return rows_affected(tag) > 0

    async def challenge(self, digest: bytes, credential_id: UUID, password_hash: str) -> None:
        """Stores a challenge for `CHALLENGE_LIFETIME`, and deletes the user's expired ones."""
        await self.connection.execute(
            """
            DELETE FROM auth.mfa_challenges
             WHERE user_id = $1 AND expires_at < now() - $2::interval
            """,
            credential_id,
            CHALLENGE_LIFETIME,
        )
        await self.connection.execute(
            """
            INSERT INTO auth.mfa_challenges (digest, user_id, password_hash, expires_at)
            VALUES ($1, $2, $3, now() + $4::interval)
            """,
            digest,
            credential_id,
            password_hash,
            CHALLENGE_LIFETIME,
        )

    async def pending(self, digest: bytes) -> tuple[PendingSignIn, datetime] | None:
        """Returns the sign-in that a challenge stands for, and Postgres' time."""
        row = await self.connection.fetchrow(
            """
            SELECT user_id, password_hash, expires_at, clock_timestamp() AS at
              FROM auth.mfa_challenges WHERE digest = $1
            """,
            digest,
        )
        if row is None:
            return None
        waiting = PendingSignIn(
            user_id=row["user_id"], password_hash=row["password_hash"], expires_at=row["expires_at"]
        )
        return waiting, row["at"]

    async def close(self, digest: bytes) -> bool:
        """Uses up a challenge; returns whether there was one."""
        tag = await self.connection.execute("DELETE FROM auth.mfa_challenges WHERE digest = $1", digest)
        return rows_affected(tag) > 0

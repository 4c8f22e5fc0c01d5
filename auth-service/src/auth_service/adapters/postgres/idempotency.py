"""Idempotent requests in Postgres: one row per request, with its first response, encrypted."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from chassis.component import Component
from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.idempotency import SHARED_MAX, WRONG_SECRETS_MAX, IdempotencyKey, IdempotencyRecord

_SELECT = """
SELECT attempt_id, name, fingerprint, secret_hash, wrong_secrets, sealed_answer, outcome,
       ended_at IS NOT NULL AS is_ended
  FROM auth.attempts"""
_END = """
UPDATE auth.attempts
   SET sealed_answer = NULL, ended_at = now(),
       leased_until = CASE WHEN sealed_answer IS NULL THEN leased_until ELSE '-infinity' END
 WHERE ended_at IS NULL"""


class PostgresIdempotency(Component):
    """`IdempotencyRepository` on one connection."""

    connection: Connection

    async def find(self, key: IdempotencyKey) -> Sequence[IdempotencyRecord]:
        """Returns the client's own attempt if there is one; otherwise those with the shared name."""
        rows = await self.connection.fetch(
            _SELECT
            + " WHERE name = $1 OR (shared_name = $2 AND wrong_secrets < $3)"
            + " ORDER BY name <> $1, began_at DESC LIMIT $4",
            key.name,
            key.shared_name,
            WRONG_SECRETS_MAX,
            SHARED_MAX,
        )
        return [IdempotencyRecord(**row) for row in rows]

    async def begin(
        self, key: IdempotencyKey, attempt_id: UUID, lease: timedelta, secret_hash: str | None = None
    ) -> IdempotencyRecord:
        """Begins an attempt, unless one is under way or has a response; returns the one that counts."""
        while True:
            row = await self.connection.fetchrow(
                """
                INSERT INTO auth.attempts AS known (name, fingerprint, user_id, attempt_id, leased_until,
                                                    shared_name, session_id, secret_hash)
                VALUES ($1, $2, $3, $4, now() + $5::interval, $6, $7, $8)
                ON CONFLICT (name) DO UPDATE SET leased_until = EXCLUDED.leased_until
                 WHERE known.sealed_answer IS NULL AND known.leased_until < now()
                   AND known.fingerprint = EXCLUDED.fingerprint
                RETURNING attempt_id, name, fingerprint, secret_hash, wrong_secrets, outcome,
                          ended_at IS NOT NULL AS is_ended
                """,
                key.name,
                key.fingerprint,
                key.user_id,
                attempt_id,
                lease,
                key.shared_name,
                key.session_id,
                secret_hash,
            )
            if row is not None:
                return IdempotencyRecord(**row, is_ours=True)
            row = await self.connection.fetchrow(_SELECT + " WHERE name = $1", key.name)
            # None: it was purged between the two statements.
            if row is not None:
                return IdempotencyRecord(**row)

    async def record_outcome(self, attempt_id: UUID, outcome: UUID) -> bool:
        """Records what an attempt changed, in the transaction of the change; returns whether it is first."""
        tag = await self.connection.execute(
            "UPDATE auth.attempts SET outcome = $2 WHERE attempt_id = $1 AND outcome IS NULL",
            attempt_id,
            outcome,
        )
        return rows_affected(tag) > 0

    async def store_response(self, name: bytes, sealed_answer: bytes) -> bool:
        """Stores the response of an attempt, unless it has one or has ended; returns whether it did."""
        tag = await self.connection.execute(
            """
            UPDATE auth.attempts SET sealed_answer = $2
             WHERE name = $1 AND sealed_answer IS NULL AND ended_at IS NULL
            """,
            name,
            sealed_answer,
        )
        return rows_affected(tag) > 0

    async def release(self, name: bytes) -> None:
        """Lets the next call with the same request begin at once."""
        await self.connection.execute(
            "UPDATE auth.attempts SET leased_until = '-infinity' WHERE name = $1 AND sealed_answer IS NULL",
            name,
        )

    async def count_wrong_secret(self, name: bytes) -> None:
        """Counts a retry with another secret; deletes the response after too many."""
        await self.connection.execute(
            """
            UPDATE auth.attempts
               SET wrong_secrets = wrong_secrets + 1,
                   sealed_answer = CASE WHEN wrong_secrets + 1 < $2 THEN sealed_answer END
             WHERE name = $1
            """,
            name,
            WRONG_SECRETS_MAX,
        )

    async def expire(self, subject_id: UUID) -> None:
        """Deletes the responses that a user, a session or an API key has been given."""
        await self.connection.execute(
            f"""
            {_END} AND name IN (
                   SELECT name FROM auth.attempts WHERE user_id = $1
                    UNION ALL
                   SELECT name FROM auth.attempts WHERE session_id = $1
                    UNION ALL
                   SELECT name FROM auth.attempts WHERE outcome = $1 AND user_id IS NOT NULL
                    UNION ALL
                   SELECT name FROM auth.attempts JOIN auth.sessions AS session ON session.id = outcome
                    WHERE session.id = $1
                    UNION ALL
                   SELECT name FROM auth.attempts JOIN auth.sessions AS session ON session.id = outcome
                    WHERE session.user_id = $1)
            """,  # noqa: S608 of constants
            subject_id,
        )

    async def expire_all(self, *, but: UUID) -> None:
        """Deletes every response that was given in or with a session, except those of one session."""
        await self.connection.execute(
            f"""
            {_END} AND $1 IS DISTINCT FROM session_id AND $1 IS DISTINCT FROM outcome
               AND (user_id IS NOT NULL OR outcome IN (SELECT id FROM auth.sessions))
            """,  # noqa: S608 of constants
            but,
        )

    async def erase(self, user_id: UUID) -> None:
        """Deletes a user's requests, and the registration that created the user."""
        await self.connection.execute(
            """
            DELETE FROM auth.attempts
             WHERE name IN (
                   SELECT name FROM auth.attempts WHERE user_id = $1
                    UNION ALL
                   SELECT name FROM auth.attempts WHERE attempt_id = $1
                    UNION ALL
                   SELECT name FROM auth.attempts JOIN auth.sessions AS session ON session.id = outcome
                    WHERE session.user_id = $1)
            """,
            user_id,
        )

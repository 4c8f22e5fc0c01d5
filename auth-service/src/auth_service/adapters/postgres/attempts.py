"""First answers in Postgres."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from chassis.postgres.connection import Connection, rows_affected

from auth_service.domain.idempotency import Attempt, Question


@dataclass(frozen=True, slots=True)
class PostgresAttempts:
    """`AttemptRepository` on one connection."""

    connection: Connection

    async def begin(self, question: Question, attempt_id: UUID, lease: timedelta) -> Attempt:
        """Takes a question up, unless somebody is at it or has answered it."""
        while True:
            row = await self.connection.fetchrow(
                """
                INSERT INTO auth.attempts AS known (name, fingerprint, user_id, attempt_id, leased_until)
                VALUES ($1, $2, $3, $4, now() + $5::interval)
                ON CONFLICT (name) DO UPDATE SET leased_until = EXCLUDED.leased_until
                 WHERE known.sealed_answer IS NULL AND known.leased_until < now()
                   AND known.fingerprint = EXCLUDED.fingerprint
                RETURNING attempt_id, outcome
                """,
                question.name,
                question.fingerprint,
                question.asker,
                attempt_id,
                lease,
            )
            if row is not None:
                return Attempt(**dict(row), fingerprint=question.fingerprint, is_ours=True)
            row = await self.connection.fetchrow(
                "SELECT attempt_id, fingerprint, sealed_answer, outcome FROM auth.attempts WHERE name = $1",
                question.name,
            )
            # It may have been purged between the two statements.
            if row is not None:
                return Attempt(**dict(row))

    async def settle(self, attempt_id: UUID, outcome: UUID) -> bool:
        """Notes what an attempt came to, with the change itself; says whether it is the first to."""
        tag = await self.connection.execute(
            "UPDATE auth.attempts SET outcome = $2 WHERE attempt_id = $1 AND outcome IS NULL",
            attempt_id,
            outcome,
        )
        return rows_affected(tag) > 0

    async def answer(self, name: bytes, sealed_answer: bytes) -> None:
        """Keeps the answer of an attempt, unless it has one."""
        await self.connection.execute(
            "UPDATE auth.attempts SET sealed_answer = $2 WHERE name = $1 AND sealed_answer IS NULL",
            name,
            sealed_answer,
        )

    async def release(self, name: bytes) -> None:
        """Lets the next call with the same question take it up at once."""
        await self.connection.execute(
            "UPDATE auth.attempts SET leased_until = '-infinity' WHERE name = $1 AND sealed_answer IS NULL",
            name,
        )

    async def erase(self, user_id: UUID) -> None:
        """Forgets what a person asked, and the registration that made the person."""
        await self.connection.execute(
            "DELETE FROM auth.attempts WHERE user_id = $1 OR attempt_id = $1", user_id
        )

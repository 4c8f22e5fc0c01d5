"""The part of `auth.attempts` that is auth-service's own: responses end with the tokens that they gave."""

from uuid import UUID

from chassis.postgres import idempotency

_END = """
UPDATE auth.attempts
   SET sealed_answer = NULL, ended_at = now(),
       leased_until = CASE WHEN sealed_answer IS NULL THEN leased_until ELSE '-infinity' END
 WHERE ended_at IS NULL"""


class PostgresIdempotency(idempotency.PostgresIdempotency):
    """`IdempotencyRepository` on one connection."""

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

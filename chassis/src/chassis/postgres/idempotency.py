"""Idempotent requests in Postgres: one row per request, with its first response, encrypted.

Each service whose methods take keys has this table in its own schema (a migration copies the text, with
the names of the schema and the runtime role), and deletes its rows after `RESPONSES_KEPT`:

    CREATE TABLE users.attempts (
        name          bytea NOT NULL CONSTRAINT attempts_pkey PRIMARY KEY,
        shared_name   bytea,
        fingerprint   bytea NOT NULL,
        user_id       uuid,
        session_id    uuid,
        attempt_id    uuid NOT NULL,
        began_at      timestamptz NOT NULL DEFAULT now(),
        leased_until  timestamptz NOT NULL,
        secret_hash   text,
        wrong_secrets integer NOT NULL DEFAULT 0,
        outcome       uuid,
        sealed_answer bytea,
        ended_at      timestamptz
    );
    CREATE INDEX attempts_began_at ON users.attempts (began_at);
    CREATE INDEX attempts_of_user ON users.attempts (user_id) WHERE user_id IS NOT NULL;
    CREATE INDEX attempts_attempt_id ON users.attempts (attempt_id);
    CREATE INDEX attempts_shared_name ON users.attempts (shared_name) WHERE shared_name IS NOT NULL;
    GRANT SELECT, INSERT, UPDATE, DELETE ON users.attempts TO user_service;
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from chassis.component import Component
from chassis.idempotency.record import (
    RESPONSES_KEPT,
    SHARED_MAX,
    WRONG_SECRETS_MAX,
    IdempotencyKey,
    IdempotencyRecord,
)
from chassis.postgres.connection import Connection, rows_affected
from chassis.postgres.pool import Pool

_COLUMNS = """attempt_id, name, fingerprint, secret_hash, wrong_secrets, outcome,
    ended_at IS NOT NULL AS is_ended"""


class PostgresIdempotency(Component):
    """`IdempotencyRepository` on one connection.

    Attributes:
        connection: The connection.
        schema: The service's schema, which has the table `attempts`.
    """

    connection: Connection
    schema: str

    @property
    def table(self) -> str:
        """The table with the records."""
        return f"{self.schema}.attempts"

    async def find(self, key: IdempotencyKey) -> Sequence[IdempotencyRecord]:
        """Returns the client's own attempt if there is one; otherwise those with the shared name."""
        rows = await self.connection.fetch(
            f"SELECT {_COLUMNS}, sealed_answer FROM {self.table}"  # noqa: S608
            " WHERE name = $1 OR (shared_name = $2 AND wrong_secrets < $3)"
            " ORDER BY name <> $1, began_at DESC LIMIT $4",
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
                f"""
                INSERT INTO {self.table} AS known (name, fingerprint, user_id, attempt_id, leased_until,
                                                    shared_name, session_id, secret_hash)
                VALUES ($1, $2, $3, $4, now() + $5::interval, $6, $7, $8)
                ON CONFLICT (name) DO UPDATE SET leased_until = EXCLUDED.leased_until
                 WHERE known.sealed_answer IS NULL AND known.leased_until < now()
                   AND known.fingerprint = EXCLUDED.fingerprint
                RETURNING {_COLUMNS}
                """,  # noqa: S608
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
            row = await self.connection.fetchrow(
                f"SELECT {_COLUMNS}, sealed_answer FROM {self.table} WHERE name = $1",  # noqa: S608
                key.name,
            )
            # None: it was purged between the two statements.
            if row is not None:
                return IdempotencyRecord(**row)

    async def record_outcome(self, attempt_id: UUID, outcome: UUID) -> bool:
        """Records what an attempt changed, in the transaction of the change; returns whether it is first."""
        tag = await self.connection.execute(
            f"UPDATE {self.table} SET outcome = $2 WHERE attempt_id = $1 AND outcome IS NULL",  # noqa: S608
            attempt_id,
            outcome,
        )
        return rows_affected(tag) > 0

    async def store_response(self, name: bytes, sealed_answer: bytes) -> bool:
        """Stores the response of an attempt, unless it has one or has ended; returns whether it did."""
        tag = await self.connection.execute(
            f"""
            UPDATE {self.table} SET sealed_answer = $2
             WHERE name = $1 AND sealed_answer IS NULL AND ended_at IS NULL
            """,  # noqa: S608
            name,
            sealed_answer,
        )
        return rows_affected(tag) > 0

    async def release(self, name: bytes) -> None:
        """Lets the next call with the same request begin at once."""
        await self.connection.execute(
            f"UPDATE {self.table} SET leased_until = '-infinity' WHERE name = $1 AND sealed_answer IS NULL",  # noqa: S608
            name,
        )

    async def count_wrong_secret(self, name: bytes) -> None:
        """Counts a retry with another secret; deletes the response after too many."""
        await self.connection.execute(
            f"""
            UPDATE {self.table}
               SET wrong_secrets = wrong_secrets + 1,
                   sealed_answer = CASE WHEN wrong_secrets + 1 < $2 THEN sealed_answer END
             WHERE name = $1
            """,  # noqa: S608
            name,
            WRONG_SECRETS_MAX,
        )

    async def erase(self, user_id: UUID) -> None:
        """Deletes a user's records."""
        await self.connection.execute(f"DELETE FROM {self.table} WHERE user_id = $1", user_id)  # noqa: S608


async def purge_responses(pool: Pool, schema: str) -> int:
    """Deletes the records whose time is over; returns how many.

    Raises:
        Unavailable: Postgres cannot be reached.
    """
    tag = await pool.execute(
        f"DELETE FROM {schema}.attempts WHERE began_at < now() - $1::interval",  # noqa: S608
        RESPONSES_KEPT,
    )
    return rows_affected(tag)

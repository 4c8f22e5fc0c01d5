"""Witnessed heads of the audit chain in Postgres, schema `health`."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from chassis.errors import Forbidden
from chassis.postgres.pool import Pool

from health_aggregator.domain.audit_witness import SignedHead, WitnessedHead


class PostgresWitnessStore:
    """`WitnessStore` with a role that may only add and read rows.

    Args:
        database: A pool with the role `health_aggregator`; Postgres may be down.
    """

    def __init__(self, database: Pool) -> None:
        self._database = database

    async def newest(self) -> WitnessedHead | None:
        """Returns the head with the highest sequence number; None when there is none."""
        row = await self._database.fetchrow(
            "SELECT sequence, hash, at, witnessed_at FROM health.audit_heads ORDER BY sequence DESC LIMIT 1"
        )
        return None if row is None else WitnessedHead(**dict(row))

    async def after(self, sequence: int, limit: int) -> Sequence[WitnessedHead]:
        """Returns heads after a sequence number, in order."""
        rows = await self._database.fetch(
            """
            SELECT sequence, hash, at, witnessed_at
              FROM health.audit_heads WHERE sequence > $1 ORDER BY sequence LIMIT $2
            """,
            sequence,
            limit,
        )
        return [WitnessedHead(**dict(row)) for row in rows]

    async def add(self, head: SignedHead, witnessed_at: datetime) -> bytes:
        """Adds a head unless its sequence number is taken; returns the hash that is stored there."""
        async with self._database.acquire() as connection:
            await connection.execute(
                """
                INSERT INTO health.audit_heads (sequence, hash, at, kid, x, y, signature, witnessed_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (sequence) DO NOTHING
                """,
                head.sequence,
                head.hash,
                head.at,
                head.key.kid,
                head.key.x,
                head.key.y,
                head.signature,
                witnessed_at,
            )
            kept: bytes = await connection.fetchval(
                "SELECT hash FROM health.audit_heads WHERE sequence = $1", head.sequence
            )
            return kept


async def forget(database: Pool, after: int) -> list[WitnessedHead]:
    """Removes every head after a sequence number, for an operator who knows why the chain is shorter.

    Raises:
        Forbidden: the role is not the schema's owner.
        Unavailable: the store cannot be reached.
    """
    try:
        rows = await database.fetch(
            """
            WITH forgotten AS (
                DELETE FROM health.audit_heads WHERE sequence > $1
                RETURNING sequence, hash, at, witnessed_at
            )
            SELECT sequence, hash, at, witnessed_at FROM forgotten ORDER BY sequence
            """,
            after,
        )
    except asyncpg.InsufficientPrivilegeError as error:
        raise Forbidden from error
    return [WitnessedHead(**dict(row)) for row in rows]

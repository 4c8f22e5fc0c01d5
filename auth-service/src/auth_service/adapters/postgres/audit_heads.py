"""Signed heads of the audit chain in Postgres: added and read, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.postgres.connection import Connection

from auth_service.domain.audit_head import SignedHead


@dataclass(frozen=True, slots=True)
class PostgresAuditHeads:
    """`AuditHeadRepository` on one connection."""

    connection: Connection

    async def add(self, head: SignedHead) -> bool:
        """Keeps a head; says whether it is the first one at its place."""
        added = await self.connection.fetchval(
            """
            INSERT INTO auth.audit_heads (sequence, hash, at, kid, signature) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (sequence) DO NOTHING RETURNING sequence
            """,
            head.sequence,
            head.hash,
            head.at,
            head.kid,
            head.signature,
        )
        return added is not None

    async def newest(self, *, signed_before: datetime | None = None) -> SignedHead | None:
        """Returns the head with the highest place, of those signed before a time."""
        row = await self.connection.fetchrow(
            """
            SELECT sequence, hash, at, kid, signature FROM auth.audit_heads
             WHERE $1::timestamptz IS NULL OR at < $1 ORDER BY sequence DESC LIMIT 1
            """,
            signed_before,
        )
        return None if row is None else SignedHead(**dict(row))

    async def after(self, sequence: int, limit: int) -> Sequence[SignedHead]:
        """Returns heads beyond a place, the lowest first."""
        rows = await self.connection.fetch(
            """
            SELECT sequence, hash, at, kid, signature
              FROM auth.audit_heads WHERE sequence > $1 ORDER BY sequence LIMIT $2
            """,
            sequence,
            limit,
        )
        return [SignedHead(**dict(row)) for row in rows]

"""Deleted documents that may still be in the index: `knowledge.index_removals`."""

from collections.abc import Sequence
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.postgres.connection import Connection


@dataclass(frozen=True, slots=True)
class PostgresIndexRemovals:
    """`IndexRemovalRepository` on one connection."""

    connection: Connection

    async def add(self, document_ids: Sequence[UUID]) -> None:
        """Records documents that are deleted in this transaction."""
        await self.connection.execute(
            """
            INSERT INTO knowledge.index_removals (document_id)
            SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING
            """,
            list(document_ids),
        )

    async def lock(self, document_id: UUID) -> bool:
        """Whether the document is still to be removed; locked until the transaction ends."""
        row = await self.connection.fetchrow(
            "SELECT FROM knowledge.index_removals WHERE document_id = $1 FOR UPDATE", document_id
        )
        return row is not None

    async def delete(self, document_id: UUID) -> None:
        """Forgets a document that was removed or exists again; waits for a removal under way."""
        await self.connection.execute(
            "DELETE FROM knowledge.index_removals WHERE document_id = $1", document_id
        )

    async def waiting(self, limit: int) -> Sequence[UUID]:
        """Returns the documents that have waited longest."""
        rows = await self.connection.fetch(
            "SELECT document_id FROM knowledge.index_removals ORDER BY deleted_at LIMIT $1", limit
        )
        return [row["document_id"] for row in rows]

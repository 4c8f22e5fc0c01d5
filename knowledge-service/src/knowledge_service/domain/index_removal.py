"""Deleted documents that may still be in the index, and the port that keeps them until they are removed."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID


class IndexRemovalRepository(Protocol):
    """The documents to be removed from the index."""

    async def add(self, document_ids: Sequence[UUID]) -> None:
        """Records documents that are deleted in this transaction."""
        ...

    async def lock(self, document_id: UUID) -> bool:
        """Whether the document is still to be removed, locked until the transaction ends."""
        ...

    async def delete(self, document_id: UUID) -> None:
        """Forgets a document that was removed or exists again; waits for a removal under way."""
        ...

    async def waiting(self, limit: int) -> Sequence[UUID]:
        """Returns the documents that have waited longest."""
        ...

"""The documents: `knowledge.documents`."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
from chassis.dataclass import dataclass
from chassis.postgres.connection import Connection, rows_affected

from knowledge_service.adapters.text_seal import TextSeal
from knowledge_service.domain.document import Document, Position, Progress
from knowledge_service.domain.visibility import Visibility

CLAIMED_FOR_CALL = timedelta(seconds=20)
"""How long the background leaves a document to the call that puts it: longer than that call's deadline."""

_COLUMNS = """
    id, owner_id, visibility, sealed_title, sealed_source_url, version, indexed_version, embedded_with,
    created_at, updated_at
"""

_PRESENT = "NOT EXISTS (SELECT FROM knowledge.erased_owners AS erased WHERE erased.user_id = owner_id)"
"""Whether a document's owner is not erased: documents of erased users are deleted some at a time."""


@dataclass(frozen=True, slots=True)
class PostgresDocuments:
    """`DocumentRepository` on one connection."""

    connection: Connection
    seal: TextSeal

    async def find(self, document_id: UUID) -> Document | None:
        """Returns a document as committed."""
        row = await self.connection.fetchrow(
            f"SELECT {_COLUMNS} FROM knowledge.documents WHERE id = $1 AND {_PRESENT}",  # noqa: S608 of constants
            document_id,
        )
        return None if row is None else self._document(row)

    async def lock(self, document_id: UUID) -> Document | None:
        """Returns a document, locked against changes by others until the transaction ends."""
        row = await self.connection.fetchrow(
            f"SELECT {_COLUMNS} FROM knowledge.documents WHERE id = $1 AND {_PRESENT} FOR UPDATE",  # noqa: S608 of constants
            document_id,
        )
        return None if row is None else self._document(row)

    async def with_text(self, document_id: UUID) -> tuple[Document, str] | None:
        """Returns a document as committed, and the text of that version."""
        # One statement, since a change may commit between two of them.
        row = await self.connection.fetchrow(
            f"SELECT {_COLUMNS}, sealed_text FROM knowledge.documents WHERE id = $1 AND {_PRESENT}",  # noqa: S608 of constants
            document_id,
        )
        if row is None:
            return None
        return self._document(row), self.seal.open("text", document_id, row["sealed_text"])

    async def insert(self, document: Document, text: str) -> bool:
        """Adds a document, claimed for the call; returns False, and adds nothing, when the id exists."""
        tag = await self.connection.execute(
            """
            INSERT INTO knowledge.documents (
                id, owner_id, visibility, labels, sealed_title, sealed_text, sealed_source_url, sealed_with,
                version, created_at, updated_at, claimed_until
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + $12::interval)
            ON CONFLICT DO NOTHING
            """,
            document.id,
            document.owner_id,
            document.visibility,
            document.labels,
            *self._sealed(document, text),
            document.version,
            document.created_at,
            document.updated_at,
            CLAIMED_FOR_CALL,
        )
        return rows_affected(tag) == 1

    async def save(self, document: Document, text: str) -> None:
        """Overwrites a locked document and claims it for the call."""
        await self.connection.execute(
            """
            UPDATE knowledge.documents
            SET visibility = $2, labels = $3, sealed_title = $4, sealed_text = $5, sealed_source_url = $6,
                sealed_with = $7, version = $8, updated_at = $9, claimed_until = now() + $10::interval
            WHERE id = $1
            """,
            document.id,
            document.visibility,
            document.labels,
            *self._sealed(document, text),
            document.version,
            document.updated_at,
            CLAIMED_FOR_CALL,
        )

    async def save_visibility(self, document: Document) -> None:
        """Overwrites the visibility of a locked document and claims it for the call."""
        await self.connection.execute(
            """
            UPDATE knowledge.documents
            SET visibility = $2, labels = $3, indexed_version = $4, updated_at = $5,
                claimed_until = now() + $6::interval
            WHERE id = $1
            """,
            document.id,
            document.visibility,
            document.labels,
            document.indexed_version,
            document.updated_at,
            CLAIMED_FOR_CALL,
        )

    async def delete(self, document_id: UUID) -> None:
        """Deletes a document and its passages."""
        await self.connection.execute("DELETE FROM knowledge.documents WHERE id = $1", document_id)

    async def delete_some_of(self, owner_id: UUID, limit: int) -> Sequence[UUID]:
        """Deletes documents of a user and returns their ids: none when none are left."""
        # What another transaction deletes at the same time is waited for and does not count to the limit.
        rows = await self.connection.fetch(
            """
            DELETE FROM knowledge.documents WHERE id = ANY(ARRAY(
                SELECT id FROM knowledge.documents WHERE owner_id = $1 ORDER BY id LIMIT $2 FOR UPDATE
            ))
            RETURNING id
            """,
            owner_id,
            limit,
        )
        return [row["id"] for row in rows]

    async def page(
        self, labels: Collection[str], *, after: Position | None, offset: int, limit: int
    ) -> Sequence[Document]:
        """Returns documents with one of the labels, after a position or from an offset."""
        rows = await self.connection.fetch(
            f"""
            SELECT {_COLUMNS} FROM knowledge.documents
            WHERE labels && $1::text[] AND {_PRESENT}
              AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
            ORDER BY created_at DESC, id DESC OFFSET $4 LIMIT $5
            """,  # noqa: S608 of constants
            sorted(labels),
            None if after is None else after.created_at,
            None if after is None else after.document_id,
            offset,
            limit,
        )
        return [self._document(row) for row in rows]

    async def owned(self, owner_id: UUID, after: UUID | None, limit: int) -> Sequence[Document]:
        """Returns documents of a user, in the order of their ids."""
        rows = await self.connection.fetch(
            f"""
            SELECT {_COLUMNS} FROM knowledge.documents
            WHERE owner_id = $1 AND {_PRESENT} AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3
            """,  # noqa: S608 of constants
            owner_id,
            after,
            limit,
        )
        return [self._document(row) for row in rows]

    async def count(self, labels: Collection[str]) -> int:
        """Returns how many documents have one of the labels."""
        return int(
            await self.connection.fetchval(
                f"SELECT count(*) FROM knowledge.documents WHERE labels && $1::text[] AND {_PRESENT}",  # noqa: S608 of constants
                sorted(labels),
            )
        )

    async def stored(self, owner_id: UUID) -> int:
        """Returns how many documents a user has, also one who is erased."""
        return int(
            await self.connection.fetchval(
                "SELECT count(*) FROM knowledge.documents WHERE owner_id = $1", owner_id
            )
        )

    async def owners(self) -> Sequence[UUID]:
        """Returns every user who has a document or a source, also those who are erased."""
        rows = await self.connection.fetch(
            "SELECT owner_id FROM knowledge.documents UNION SELECT owner_id FROM knowledge.sources"
        )
        return [row["owner_id"] for row in rows]

    async def mark_indexed(self, document_id: UUID, version: int, model: str) -> None:
        """Records that a version is in the index, with vectors of a model; empty for none."""
        await self.connection.execute(
            """
            UPDATE knowledge.documents
            SET indexed_version = $2, embedded_with = $3, claimed_until = NULL
            WHERE id = $1
            """,
            document_id,
            version,
            model,
        )

    async def claim_unindexed(self, model: str, claim_seconds: float) -> UUID | None:
        """Returns a document that is not in the index with vectors of the model, and claims it."""
        found: UUID | None = await self.connection.fetchval(
            """
            UPDATE knowledge.documents SET claimed_until = now() + make_interval(secs => $2)
            WHERE id = (
                SELECT id FROM knowledge.documents
                WHERE (indexed_version < version OR embedded_with < $1 OR embedded_with > $1)
                  AND (claimed_until IS NULL OR claimed_until < now())
                LIMIT 1 FOR UPDATE SKIP LOCKED
            )
            RETURNING id
            """,
            model,
            claim_seconds,
        )
        return found

    async def progress(self, owner_id: UUID, model: str) -> Progress:
        """Returns how far a user's documents are, for the embedder's model."""
        row = await self.connection.fetchrow(
            """
            SELECT count(*) AS documents,
                   count(*) FILTER (WHERE indexed_version < version) AS waiting,
                   count(*) FILTER (WHERE indexed_version >= version AND embedded_with <> $2) AS words,
                   (
                       SELECT count(*) FROM knowledge.sources
                       WHERE owner_id = $1
                         AND (claimed_until > now() OR (synced_at IS NULL AND problem IS NULL))
                   ) AS sources
            FROM knowledge.documents WHERE owner_id = $1
            """,
            owner_id,
            model,
        )
        return Progress(**dict(row or {}))

    async def postpone(self, document_id: UUID, seconds: float) -> None:
        """Ends a claim; the document is claimed again after so long at the earliest."""
        await self.connection.execute(
            "UPDATE knowledge.documents SET claimed_until = now() + make_interval(secs => $2) WHERE id = $1",
            document_id,
            seconds,
        )

    def _sealed(self, document: Document, text: str) -> tuple[bytes, bytes, bytes | None, str]:
        url = document.source_url
        return (
            self.seal.seal("title", document.id, document.title),
            self.seal.seal("text", document.id, text),
            None if url is None else self.seal.seal("source_url", document.id, url),
            self.seal.key_id,
        )

    def _document(self, row: asyncpg.Record) -> Document:
        identifier, url = row["id"], row["sealed_source_url"]
        return Document(
            id=identifier,
            owner_id=row["owner_id"],
            title=self.seal.open("title", identifier, row["sealed_title"]),
            source_url=None if url is None else self.seal.open("source_url", identifier, url),
            visibility=Visibility(row["visibility"]),
            version=row["version"],
            indexed_version=row["indexed_version"],
            embedded_with=row["embedded_with"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )

"""The passages: `knowledge.passages`."""

from collections.abc import Collection, Sequence
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.postgres.connection import Connection

from knowledge_service.adapters.text_seal import TextSeal
from knowledge_service.domain.passage import FoundPassage, Passage


@dataclass(frozen=True, slots=True)
class PostgresPassages:
    """`PassageRepository` on one connection."""

    connection: Connection
    seal: TextSeal

    async def replace(self, document_id: UUID, version: int, passages: Sequence[Passage]) -> None:
        """Makes these the only passages of a locked document."""
        await self.connection.execute("DELETE FROM knowledge.passages WHERE document_id = $1", document_id)
        await self.connection.execute(
            """
            INSERT INTO knowledge.passages
                (id, document_id, version, begins_at, ends_at, sealed_text, sealed_with)
            SELECT new.id, $1, $2, new.begins_at, new.ends_at, new.sealed_text, $7
            FROM unnest($3::uuid[], $4::integer[], $5::integer[], $6::bytea[])
                AS new (id, begins_at, ends_at, sealed_text)
            """,
            document_id,
            version,
            [each.id for each in passages],
            [each.begin for each in passages],
            [each.end for each in passages],
            [self.seal.seal("passage", each.id, each.text) for each in passages],
            self.seal.key_id,
        )

    async def visible(
        self, passage_ids: Collection[UUID], labels: Collection[str]
    ) -> dict[UUID, FoundPassage]:
        """Returns those passages of current versions whose document has one of the labels.

        Those of erased users, which are deleted some at a time, are left out.
        """
        rows = await self.connection.fetch(
            """
            SELECT p.id, p.begins_at, p.ends_at, p.sealed_text,
                   d.id AS document_id, d.owner_id, d.sealed_title, d.sealed_source_url
            FROM knowledge.passages p
            JOIN knowledge.documents d ON d.id = p.document_id AND d.version = p.version
            WHERE p.id = ANY($1::uuid[]) AND d.labels && $2::text[]
              AND NOT EXISTS (SELECT FROM knowledge.erased_owners AS erased WHERE erased.user_id = d.owner_id)
            """,
            list(passage_ids),
            sorted(labels),
        )
        found = {}
        for row in rows:
            document_id, url = row["document_id"], row["sealed_source_url"]
            text = self.seal.open("passage", row["id"], row["sealed_text"])
            found[row["id"]] = FoundPassage(
                passage=Passage(row["id"], row["begins_at"], row["ends_at"], text),
                document_id=document_id,
                owner_id=row["owner_id"],
                title=self.seal.open("title", document_id, row["sealed_title"]),
                source_url=None if url is None else self.seal.open("source_url", document_id, url),
            )
        return found

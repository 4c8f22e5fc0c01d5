"""Exporting the documents and sources of a user."""

from collections.abc import Sequence
from uuid import UUID

from chassis.component import Component

from knowledge_service.domain.document import TEXT_BYTES_MAX, Document
from knowledge_service.domain.source import SKIPPED_SHOWN_MAX, Source, SourceFile
from knowledge_service.domain.unit_of_work import UnitsOfWork

PAGE_DOCUMENTS_MAX = 200
PAGE_CHARACTERS_MAX = TEXT_BYTES_MAX
"""A page ends with the document that reaches this, so that it is two of the largest texts at most."""


class ExportDocuments(Component):
    """Returns the documents of a user with their texts, page by page; user-service audits the export."""

    units: UnitsOfWork

    async def __call__(self, *, user_id: UUID, after: UUID | None) -> Sequence[tuple[Document, str]]:
        """Returns the next documents in the order of their ids; none at the end.

        Args:
            user_id: Whose documents.
            after: The last id of the page before.
        """
        exported: list[tuple[Document, str]] = []
        characters = 0
        async with self.units.transaction() as unit:
            # No page is empty but the last, whatever is deleted while it is read.
            while not exported and (listed := await unit.documents.owned(user_id, after, PAGE_DOCUMENTS_MAX)):
                after = listed[-1].id
                for document in listed:
                    stored = await unit.documents.with_text(document.id)
                    # After a deletion another user may have put one.
                    if stored is None or stored[0].owner_id != user_id:
                        continue
                    exported.append(stored)
                    characters += len(stored[1])
                    if characters >= PAGE_CHARACTERS_MAX:
                        break
        return exported


class ExportSources(Component):
    """Returns the sources of a user with the files that are no documents."""

    units: UnitsOfWork

    async def __call__(self, *, user_id: UUID) -> Sequence[tuple[Source, Sequence[SourceFile]]]:
        """Returns them, the newest first."""
        async with self.units.statements() as unit:
            return [
                (source, await unit.sources.skipped(source.id, SKIPPED_SHOWN_MAX))
                for source in await unit.sources.owned(user_id)
            ]

"""Documents that are deleted, by another connection, while they are read."""

from typing import Any
from uuid import UUID

import pytest
from chassis.errors import NotFound
from chassis.postgres.connection import Connection
from knowledge_service.usecases import export
from knowledge_service.usecases.documents import GetDocument
from knowledge_service.usecases.export import ExportDocuments

from tests.knowledge_service.knowledge import Knowledge, a_user


@pytest.fixture(name="deleted")
def _deleted(knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> set[UUID]:
    """Documents that are deleted after the next statement that reads documents."""
    waiting: set[UUID] = set()

    def then_deleting(method: str) -> None:
        read = getattr(Connection, method)

        async def reading(connection: Connection, query: str, *arguments: object) -> Any:
            found = await read(connection, query, *arguments)
            if waiting and "FROM knowledge.documents" in query:
                gone = list(waiting)
                waiting.clear()
                await knowledge.pool.execute(
                    "DELETE FROM knowledge.documents WHERE id = ANY($1::uuid[])", gone
                )
            return found

        monkeypatch.setattr(Connection, method, reading)

    then_deleting("fetch")
    then_deleting("fetchrow")
    return waiting


async def test_getting_a_document(knowledge: Knowledge, deleted: set[UUID]) -> None:
    """It is returned as it was read, or not found."""
    ada, get = a_user(), GetDocument(knowledge.units)
    document = await knowledge.put(ada, "Grapefruit.")
    deleted.add(document.id)

    assert (await get(caller=ada, document_id=document.id))[1] == "Grapefruit."
    with pytest.raises(NotFound):
        await get(caller=ada, document_id=document.id)


async def test_indexing_a_document(knowledge: Knowledge, deleted: set[UUID]) -> None:
    document = await knowledge.put(a_user())
    deleted.add(document.id)

    assert await knowledge.index_document(document_id=document.id, embedding_seconds=1.0) is None


async def test_exporting_documents(
    knowledge: Knowledge, deleted: set[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page whose documents are all deleted does not pass for the end."""
    ada = a_user()
    documents = [await knowledge.put(ada, f"Number {number}.") for number in range(3)]
    monkeypatch.setattr(export, "PAGE_DOCUMENTS_MAX", 2)
    deleted.update(each.id for each in documents[:2])

    exported = await ExportDocuments(knowledge.units)(user_id=ada.require_user_id(), after=None)

    assert [text for _, text in exported] == ["Number 2."]

"""Erasing the documents of erased users."""

import asyncio
from unittest.mock import AsyncMock

import pytest
from chassis.errors import NotFound, TokenRevoked
from chassis.identity.caller import ANONYMOUS
from chassis.identity.role import Role
from knowledge_service.domain.visibility import Visibility
from knowledge_service.usecases import erasure
from knowledge_service.usecases.documents import GetDocument, ListDocuments
from knowledge_service.usecases.erasure import EraseMissed
from knowledge_service.usecases.export import ExportDocuments
from structlog.testing import capture_logs

from chassis import jobs
from tests.chassis.waiting import until
from tests.knowledge_service.knowledge import Knowledge, a_user


async def test_documents_passages_and_vectors_go_with_their_owner(knowledge: Knowledge) -> None:
    ada, bob = a_user(), a_user()
    await knowledge.put(ada, visibility=Visibility.ROLE_USER)
    kept = await knowledge.put(bob)
    knowledge.directory.erased.add(ada.require_user_id())

    for _ in range(2):
        await knowledge.erase_if_erased(caller=ANONYMOUS, user_id=ada.require_user_id())

    assert await knowledge.found(bob) == {kept.id}
    assert await knowledge.indexed() == {kept.id}
    for table in ("documents", "passages"):
        assert await knowledge.pool.fetchval(f"SELECT count(*) FROM knowledge.{table}") == 1
    assert [each.action for each in await knowledge.audited()] == ["knowledge.share", "knowledge.erase"]


async def test_a_changed_user_keeps_the_documents(knowledge: Knowledge) -> None:
    ada = a_user()
    document = await knowledge.put(ada)

    await knowledge.erase_if_erased(caller=ANONYMOUS, user_id=ada.require_user_id())

    assert await knowledge.found(ada) == {document.id}


async def test_an_erasure_of_many_documents(knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deletes some at a time; from the first on nothing is seen, and after a crash the rest goes too."""
    ada, bob, admin = a_user(), a_user(), a_user(Role.ADMIN)
    documents = [await knowledge.put(ada, visibility=Visibility.ROLE_USER) for _ in range(5)]
    ada_id = ada.require_user_id()
    knowledge.directory.erased.add(ada_id)
    monkeypatch.setattr(erasure, "DELETED_AT_ONCE", 2)
    crash = AsyncMock(side_effect=ConnectionAbortedError)
    with monkeypatch.context() as crashing, pytest.raises(ConnectionAbortedError):
        crashing.setattr(knowledge.index.index, "remove", crash)
        await knowledge.erase_if_erased(caller=ANONYMOUS, user_id=ada_id)

    assert await knowledge.pool.fetchval("SELECT count(*) FROM knowledge.documents") == 3
    assert await knowledge.found(bob) == await knowledge.found(ada) == set()
    page = await ListDocuments(knowledge.units)(caller=bob, after=None, offset=0, size=20)
    assert (page.total_items, list(page.documents)) == (0, [])
    assert await ExportDocuments(knowledge.units)(user_id=ada_id, after=None) == []
    for document in documents:
        with pytest.raises(NotFound):
            await GetDocument(knowledge.units)(caller=bob, document_id=document.id)
        with pytest.raises(NotFound):
            await knowledge.delete_document(caller=admin, document_id=document.id)
        assert await knowledge.index_document(document_id=document.id, embedding_seconds=1.0) is None
    with pytest.raises(NotFound):
        await knowledge.put(bob, document_id=documents[-1].id)
    with pytest.raises(TokenRevoked):
        await knowledge.put(ada)

    await EraseMissed(knowledge.units, knowledge.erase_if_erased)()
    await knowledge.index_waiting()

    for table in ("documents", "passages", "indexed_passages", "index_removals"):
        assert await knowledge.pool.fetchval(f"SELECT count(*) FROM knowledge.{table}") == 0
    erased = [dict(each.details) for each in await knowledge.audited() if each.action == "knowledge.erase"]
    assert erased == [{"count": "5"}]


async def test_two_erasures_of_a_user_at_once(knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither ends before all is gone, also what the other has begun to delete."""
    ada = a_user()
    for _ in range(9):
        await knowledge.put(ada)
    knowledge.directory.erased.add(ada.require_user_id())
    monkeypatch.setattr(erasure, "DELETED_AT_ONCE", 2)

    async def erase() -> int:
        await knowledge.erase_if_erased(caller=ANONYMOUS, user_id=ada.require_user_id())
        return int(await knowledge.pool.fetchval("SELECT count(*) FROM knowledge.documents"))

    assert list(await asyncio.gather(erase(), erase())) == [0, 0]
    assert await knowledge.indexed() == set()
    assert [each.action for each in await knowledge.audited()] == ["knowledge.erase"]


async def test_a_killed_erasure_is_finished_in_the_background(knowledge: Knowledge) -> None:
    ada = a_user()
    await knowledge.put(ada)
    knowledge.directory.erased.add(ada.require_user_id())
    knowledge.index.is_down = True
    await knowledge.erase_if_erased(caller=ANONYMOUS, user_id=ada.require_user_id())
    assert await knowledge.found(ada) == set()
    assert await knowledge.indexed()

    knowledge.index.is_down = False
    await knowledge.index_waiting()

    assert await knowledge.indexed() == set()


async def test_what_was_missed_is_erased_later(knowledge: Knowledge) -> None:
    ada, bob = a_user(), a_user()
    await knowledge.put(ada)
    kept = await knowledge.put(bob)
    knowledge.directory.erased.add(ada.require_user_id())

    await EraseMissed(knowledge.units, knowledge.erase_if_erased)()

    assert await knowledge.indexed() == {kept.id}


async def test_what_was_missed_waits_for_user_service(knowledge: Knowledge) -> None:
    """The log says that erasing stalls, and that it goes on."""
    ada = a_user()
    await knowledge.put(ada)
    knowledge.directory.erased.add(ada.require_user_id())
    knowledge.directory.is_down = True

    with capture_logs() as said:
        erase_missed = EraseMissed(knowledge.units, knowledge.erase_if_erased)
        erasing = asyncio.create_task(jobs.repeat("missed erasures", erase_missed, pause_seconds=0.01))
        await until(lambda: said)
        assert await knowledge.indexed()
        knowledge.directory.is_down = False
        await until(lambda: said[1:])
        erasing.cancel()

    assert await knowledge.indexed() == set()
    assert [(line["event"], line["job"]) for line in said] == [
        ("job failed; retrying", "missed erasures"),
        ("job recovered", "missed erasures"),
    ]

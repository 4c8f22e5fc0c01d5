"""Indexing and searching while the embedder is away, and when the model changes."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest
from chassis.errors import Unavailable
from chassis.grpc.policy import method_policy
from chassis.ids import uuid7
from knowledge_service.domain.document import IndexState
from knowledge_service.domain.embedder import EmbedderUnavailable
from knowledge_service.domain.visibility import Visibility
from knowledge_service.usecases.documents import GetDocument
from knowledge_service.usecases.indexing import EMBEDDED_AT_ONCE, RETRY_SECONDS
from knowledge_service.usecases.progress import StreamProgress
from structlog.testing import capture_logs
from vestibule.knowledge.v1 import document_service_pb2

from tests.knowledge_service.knowledge import FakeEmbedder, Knowledge, a_user


async def test_a_document_is_found_by_its_words_while_the_embedder_is_down(knowledge: Knowledge) -> None:
    ada = a_user()
    knowledge.embedder.is_down = True

    document = await knowledge.put(ada)

    assert document.index_state("fake") is IndexState.WORDS
    result = await knowledge.search(ada, "warfarin")
    assert [each.found.document_id for each in result.passages] == [document.id]
    assert result.degraded


async def test_its_vectors_come_in_the_background(knowledge: Knowledge) -> None:
    ada = a_user()
    knowledge.embedder.is_down = True
    document = await knowledge.put(ada)
    with pytest.raises(EmbedderUnavailable):
        await knowledge.index_waiting()
    assert not await knowledge.index_waiting()

    knowledge.embedder.is_down = False
    await knowledge.pool.execute(
        "UPDATE knowledge.documents SET claimed_until = claimed_until - make_interval(secs => $1)",
        RETRY_SECONDS,
    )
    assert await knowledge.index_waiting()

    stored, _ = await GetDocument(knowledge.units)(caller=ada, document_id=document.id)
    assert stored.index_state("fake") is IndexState.COMPLETE
    assert not await knowledge.index_waiting()
    assert not (await knowledge.search(ada)).degraded


async def test_the_background_leaves_a_document_to_its_call(knowledge: Knowledge) -> None:
    """For longer than the call may take: one that is new, changed, or shared otherwise."""
    service = document_service_pb2.DESCRIPTOR.services_by_name["DocumentService"]
    deadline = method_policy(service.methods_by_name["PutDocument"]).deadline_seconds
    assert deadline is not None
    ada, document_id = a_user(), uuid7()

    async def claimed_for(text: str, visibility: Visibility = Visibility.PRIVATE) -> float:
        knowledge.index.is_down = True
        with pytest.raises(Unavailable):
            await knowledge.put(ada, text, visibility, document_id)
        query = "SELECT claimed_until - now() FROM knowledge.documents"
        left: timedelta = await knowledge.pool.fetchval(query)
        return left.total_seconds()

    assert await claimed_for("New.") > deadline
    assert await claimed_for("Changed.") > deadline
    knowledge.index.is_down = False
    await knowledge.put(ada, "Changed.", document_id=document_id)
    assert await claimed_for("Changed.", Visibility.ROLE_USER) > deadline


async def test_a_service_that_stops_gives_its_document_back(knowledge: Knowledge) -> None:
    """Another process indexes it at once, rather than when the claim ends."""
    ada = a_user()
    knowledge.index.is_down = True
    with pytest.raises(Unavailable):
        await knowledge.put(ada)
    knowledge.index.is_down = False
    await knowledge.pool.execute("UPDATE knowledge.documents SET claimed_until = NULL")
    is_embedding = asyncio.Event()

    async def endlessly() -> None:
        is_embedding.set()
        await asyncio.Event().wait()

    knowledge.embedder.meanwhile = endlessly
    indexing = asyncio.create_task(knowledge.index_waiting())
    await is_embedding.wait()
    indexing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await indexing

    knowledge.embedder.meanwhile = None
    assert await knowledge.index_waiting()
    assert len(await knowledge.found(ada)) == 1


@pytest.mark.parametrize("change", ["deleted", "written"])
async def test_a_document_that_is_gone_is_embedded_no_further(knowledge: Knowledge, change: str) -> None:
    """What its owner deletes or writes again meanwhile is not worth the rest; other passages come sooner."""
    ada, document_id, embedder = a_user(), uuid7(), knowledge.embedder

    async def meanwhile() -> None:
        embedder.meanwhile = None
        if change == "deleted":
            await knowledge.delete_document(caller=ada, document_id=document_id)
        else:
            await knowledge.put(ada, "Another text.", document_id=document_id)

    embedder.meanwhile = meanwhile
    long = "\n\n".join(f"# Part {number}\n\nWarfarin and grapefruit. " + "a " * 500 for number in range(150))
    await knowledge.put(ada, long, document_id=document_id)

    assert embedder.embedded == EMBEDDED_AT_ONCE + (change == "written")
    assert await knowledge.found(ada) == (set() if change == "deleted" else {document_id})


async def test_another_model_embeds_again_while_documents_stay_found(knowledge: Knowledge) -> None:
    ada = a_user()
    document = await knowledge.put(ada)
    later = Knowledge(knowledge.pool, FakeEmbedder(model="later", dimensions=384))

    assert await later.found(ada) == {document.id}
    assert await later.index_waiting()
    assert not await later.index_waiting()

    assert await later.found(ada) == {document.id}
    assert await knowledge.pool.fetchval("SELECT embedded_with FROM knowledge.documents") == "later"


async def test_a_query_of_stop_words_finds_nothing_without_an_embedder(knowledge: Knowledge) -> None:
    ada = a_user()
    await knowledge.put(ada)
    knowledge.embedder.is_down = True

    for query in ("the of and", "?", "a"):
        result = await knowledge.search(ada, query)
        assert (list(result.passages), result.degraded) == ([], True)


async def test_passages_are_parts_of_the_text(knowledge: Knowledge) -> None:
    ada = a_user()
    text = "# Ärzte\n\n" + "Warfarin and 葡萄柚 interact. 🩺\n\n" * 80
    await knowledge.put(ada, text)

    result = await knowledge.search(ada, "warfarin 葡萄柚")

    assert len(result.passages) > 1
    for each in result.passages:
        passage = each.found.passage
        assert text[passage.begin : passage.end] == passage.text


async def test_a_document_without_words_is_stored(knowledge: Knowledge) -> None:
    ada = a_user()
    document = await knowledge.put(ada, " \n\t ", document_id=uuid7())

    assert document.index_state("fake") is IndexState.COMPLETE


async def test_progress_is_reported_until_all_is_indexed(knowledge: Knowledge) -> None:
    ada, bob = a_user(), a_user()
    knowledge.embedder.is_down = True
    await knowledge.put(ada)
    await knowledge.put(bob)
    knowledge.embedder.is_down = False
    watch = StreamProgress(knowledge.units, "fake")

    async with aclosing(watch(caller=ada)) as changes:
        first = await anext(changes)
        assert (first.documents, first.waiting, first.words, first.sources) == (1, 0, 1, 0)
        while await knowledge.index_waiting():
            pass
        last = await anext(changes)
        assert (last.words, last.is_done) == (0, True)
        with pytest.raises(StopAsyncIteration):
            await anext(changes)


async def test_many_deletions_at_once_leave_connections_for_others(knowledge: Knowledge) -> None:
    """Each removal from the index takes two connections of the pool's ten."""
    ada = a_user()
    documents = [await knowledge.put(ada) for _ in range(20)]
    # The pool opens its connections beforehand, so that all are taken at the same time.
    await asyncio.gather(*(knowledge.pool.execute("SELECT pg_sleep(0.3)") for _ in range(10)))

    with capture_logs() as said:
        await asyncio.gather(
            *(knowledge.delete_document(caller=ada, document_id=each.id) for each in documents)
        )

    assert await knowledge.indexed() == set()
    assert said == []

"""Documents: put, read, listed and deleted."""

import asyncio
from dataclasses import replace

import pytest
from chassis.errors import Forbidden, Invalid, NotFound, TokenRevoked, Unavailable
from chassis.identity.caller import ANONYMOUS
from chassis.identity.role import Role
from chassis.ids import uuid7
from knowledge_service.domain.document import Content, IndexState
from knowledge_service.domain.visibility import Visibility
from knowledge_service.usecases.audit import GetAuditClient
from knowledge_service.usecases.documents import GetDocument, ListDocuments

from tests.knowledge_service.knowledge import Knowledge, a_user


async def test_a_document_is_created_once_and_then_replaced(knowledge: Knowledge) -> None:
    ada, document_id = a_user(), uuid7()
    content = Content(title="Warfarin", text="First.", source_url="https://example.org/w")

    async def put(content: Content) -> bool:
        return (
            await knowledge.put_document(
                caller=ada, document_id=document_id, content=content, visibility=Visibility.PRIVATE
            )
        )[1]

    assert await put(content)
    assert not await put(Content(title="Warfarin", text="Second."))
    document, text = await GetDocument(knowledge.units)(caller=ada, document_id=document_id)
    assert (text, document.source_url, document.version) == ("Second.", None, 2)
    assert document.index_state(knowledge.embedder.model) is IndexState.COMPLETE


async def test_text_is_sealed_at_rest(knowledge: Knowledge) -> None:
    await knowledge.put(a_user(), "Grapefruit raises warfarin.")

    for table in ("documents", "passages", "indexed_passages", "outbox"):
        rows = await knowledge.pool.fetch(f"SELECT t::text AS row FROM knowledge.{table} t")
        for row in rows:
            for word in ("Grapefruit", "Notes"):
                assert word not in row["row"]
                assert word.encode().hex() not in row["row"]


async def test_another_users_document_cannot_be_replaced(knowledge: Knowledge) -> None:
    ada, bob = a_user(), a_user()
    private = await knowledge.put(ada)
    shared = await knowledge.put(ada, visibility=Visibility.ROLE_USER)

    with pytest.raises(NotFound):
        await knowledge.put(bob, document_id=private.id)
    with pytest.raises(Forbidden):
        await knowledge.put(bob, document_id=shared.id)


async def test_only_admins_share_with_everyone(knowledge: Knowledge) -> None:
    """An owner who is no admin any more may go on writing the document, and take it back."""
    ada, everyone = a_user(), Visibility.EVERYONE
    private = await knowledge.put(ada)
    shared = await knowledge.put(replace(ada, role=Role.ADMIN), visibility=everyone)

    for document_id in (private.id, uuid7()):
        with pytest.raises(Forbidden):
            await knowledge.put(ada, visibility=everyone, document_id=document_id)
    assert (await knowledge.put(ada, "New.", everyone, shared.id)).visibility is everyone
    assert (await knowledge.put(ada, "New.", document_id=shared.id)).visibility is Visibility.PRIVATE
    with pytest.raises(Forbidden):
        await knowledge.put(ada, "New.", everyone, shared.id)


async def test_two_users_who_create_one_document_at_once_do_not_share_it(knowledge: Knowledge) -> None:
    document_id = uuid7()
    ended = await asyncio.gather(
        *(knowledge.put(a_user(), document_id=document_id) for _ in range(4)), return_exceptions=True
    )

    assert sorted(type(each).__name__ for each in ended) == ["Document", "NotFound", "NotFound", "NotFound"]


async def test_text_over_a_mebibyte_is_refused(knowledge: Knowledge) -> None:
    with pytest.raises(Invalid):
        await knowledge.put(a_user(), "é" * 524_289)


async def test_of_two_changes_at_once_the_committed_one_is_found(knowledge: Knowledge) -> None:
    ada, document_id = a_user(), uuid7()
    await knowledge.put(ada, document_id=document_id)
    texts = [f"Warfarin number{number}." for number in range(5)]
    await asyncio.gather(*(knowledge.put(ada, text, document_id=document_id) for text in texts))

    _, text = await GetDocument(knowledge.units)(caller=ada, document_id=document_id)
    found = await knowledge.search(ada, "warfarin")
    assert [each.found.passage.text for each in found.passages] == [text]


async def test_reading_another_users_document_is_audited_by_id(knowledge: Knowledge) -> None:
    ada, bob = a_user(), a_user()
    document = await knowledge.put(ada, visibility=Visibility.ROLE_USER)
    read, listed = GetDocument(knowledge.units), ListDocuments(knowledge.units)
    await read(caller=ada, document_id=document.id)
    await read(caller=bob, document_id=document.id)
    await listed(caller=ada, after=None, offset=0, size=20)
    await listed(caller=bob, after=None, offset=0, size=20)
    await knowledge.search(ada)
    await knowledge.search(bob)

    shared, *reads = await knowledge.audited()
    assert (shared.action, shared.details["to"]) == ("knowledge.share", "role:user")
    assert [each.action for each in reads] == ["knowledge.read", "knowledge.list", "knowledge.search"]
    for each in reads:
        assert (each.actor_id, each.subject_id) == (str(bob.user_id), str(ada.user_id))
        assert dict(each.details) == {"documents": str(document.id)}


async def test_the_client_of_an_audit_entry_is_in_no_event(knowledge: Knowledge) -> None:
    """auth-service fetches it by the event's id, until the user is erased or the event is swept."""
    ada, bob = a_user(), a_user()
    document = await knowledge.put(ada, visibility=Visibility.ROLE_USER)
    read, get_client = GetDocument(knowledge.units), GetAuditClient(knowledge.units)
    for user_id in (bob.user_id, uuid7()):
        reader = replace(
            bob,
            user_id=user_id,
            client_address="203.0.113.77",
            user_agent="canary\0/1",
            request_id="canary-1",
        )
        await read(caller=reader, document_id=document.id)
    rows = await knowledge.pool.fetch("SELECT event_id, payload FROM knowledge.outbox ORDER BY position")
    assert not [row for row in rows if b"canary" in row["payload"] or b"203.0.113.77" in row["payload"]]
    _, erased, swept = [row["event_id"] for row in rows]
    assert [each.client_kept for each in await knowledge.audited()] == [False, True, True]
    for event_id in (erased, swept):
        client = await get_client(event_id=event_id)
        assert (client.ip, client.user_agent, client.request_id) == (
            "203.0.113.77",
            "canary\ufffd/1",
            "canary-1",
        )

    knowledge.directory.erased.add(bob.require_user_id())
    await knowledge.erase_if_erased(caller=ANONYMOUS, user_id=bob.require_user_id())
    with pytest.raises(NotFound):
        await get_client(event_id=erased)
    await get_client(event_id=swept)
    await knowledge.pool.execute("DELETE FROM knowledge.outbox WHERE event_id = $1", swept)
    with pytest.raises(NotFound):
        await get_client(event_id=swept)


async def test_lists_have_pages_of_what_the_caller_sees(knowledge: Knowledge) -> None:
    ada, bob = a_user(), a_user()
    mine = [(await knowledge.put(ada)).id for _ in range(3)]
    await knowledge.put(bob)
    listed = ListDocuments(knowledge.units)

    first = await listed(caller=ada, after=None, offset=0, size=2)
    second = await listed(caller=ada, after=None, offset=2, size=2)

    assert [each.id for each in (*first.documents, *second.documents)] == mine[::-1]
    assert (first.total_items, first.has_next, second.has_next) == (3, True, False)


async def test_a_deleted_document_is_gone_at_once_even_if_the_index_is_down(knowledge: Knowledge) -> None:
    ada = a_user()
    document = await knowledge.put(ada)
    knowledge.index.is_down = True

    await knowledge.delete_document(caller=ada, document_id=document.id)

    assert await knowledge.found(ada) == set()
    assert await knowledge.indexed() == {document.id}
    knowledge.index.is_down = False
    await knowledge.index_waiting()
    assert await knowledge.indexed() == set()


async def test_a_document_that_exists_again_is_not_removed_from_the_index(knowledge: Knowledge) -> None:
    ada = a_user()
    document = await knowledge.put(ada)
    knowledge.index.is_down = True
    await knowledge.delete_document(caller=ada, document_id=document.id)
    knowledge.index.is_down = False

    await knowledge.put(ada, document_id=document.id)
    await knowledge.index_waiting()

    assert await knowledge.found(ada) == {document.id}


async def test_an_admin_deletes_another_users_document_which_is_audited(knowledge: Knowledge) -> None:
    ada, admin = a_user(), a_user(Role.ADMIN)
    document = await knowledge.put(ada)

    await knowledge.delete_document(caller=admin, document_id=document.id)

    assert [(each.action, each.actor_id) for each in await knowledge.audited()] == [
        ("knowledge.delete", str(admin.user_id))
    ]
    with pytest.raises(NotFound):
        await knowledge.delete_document(caller=ada, document_id=document.id)


async def test_a_document_is_kept_when_the_index_is_down(knowledge: Knowledge) -> None:
    ada, document_id = a_user(), uuid7()
    knowledge.index.is_down = True
    with pytest.raises(Unavailable):
        await knowledge.put(ada, document_id=document_id)
    document, _ = await GetDocument(knowledge.units)(caller=ada, document_id=document_id)
    assert document.index_state("fake") is IndexState.WAITING

    knowledge.index.is_down = False
    await knowledge.pool.execute("UPDATE knowledge.documents SET claimed_until = NULL")
    assert await knowledge.index_waiting()

    assert await knowledge.found(ada) == {document_id}


async def test_an_erased_user_cannot_put_documents(knowledge: Knowledge) -> None:
    ada = a_user()
    knowledge.directory.erased.add(ada.require_user_id())
    await knowledge.erase_if_erased(caller=ada, user_id=ada.require_user_id())

    with pytest.raises(TokenRevoked):
        await knowledge.put(ada)


async def test_sharing_does_not_embed_again(knowledge: Knowledge) -> None:
    """Whom a document is shared with is no part of its vectors: it stays found by its meaning."""
    ada, bob = a_user(), a_user()
    document = await knowledge.put(ada)
    knowledge.embedder.is_down = True

    shared = await knowledge.put(ada, visibility=Visibility.ROLE_USER, document_id=document.id)

    assert (shared.version, shared.index_state("fake")) == (document.version, IndexState.COMPLETE)
    assert shared.updated_at > document.updated_at
    assert await knowledge.found(bob) == {document.id}

    hidden = await knowledge.put(ada, visibility=Visibility.PRIVATE, document_id=document.id)
    assert hidden.index_state("fake") is IndexState.COMPLETE
    assert (await knowledge.found(bob), await knowledge.found(ada)) == (set(), {document.id})


async def test_sharing_while_the_index_is_down(knowledge: Knowledge) -> None:
    """Is kept, and the index hears of it later."""
    ada, bob = a_user(), a_user()
    document = await knowledge.put(ada)
    knowledge.index.is_down = True

    with pytest.raises(Unavailable):
        await knowledge.put(ada, visibility=Visibility.ROLE_USER, document_id=document.id)

    knowledge.index.is_down = False
    await knowledge.pool.execute("UPDATE knowledge.documents SET claimed_until = NULL")
    assert await knowledge.index_waiting()
    assert await knowledge.found(bob) == {document.id}


@pytest.mark.parametrize(
    "content",
    [
        Content(title="Other", text="Grapefruit raises the level of warfarin."),
        Content(title="Notes", text="Grapefruit does not."),
        Content(title="Notes", text="Grapefruit raises the level of warfarin.", source_url="https://a.org/"),
    ],
    ids=["title", "text", "address"],
)
async def test_other_content_is_another_version(knowledge: Knowledge, content: Content) -> None:
    ada = a_user()
    document = await knowledge.put(ada)

    changed, created = await knowledge.put_document(
        caller=ada, document_id=document.id, content=content, visibility=Visibility.PRIVATE
    )

    assert (changed.version, changed.title, created) == (2, content.title, False)
    (passage,) = (await knowledge.search(ada, "grapefruit")).passages
    assert (passage.found.title, passage.found.passage.text) == (content.title, content.text)

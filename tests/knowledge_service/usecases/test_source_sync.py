"""Following a folder of a real WebDAV server: documents come, change and go with its files."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from chassis.clock import SystemClock
from chassis.errors import Invalid, NotFound
from chassis.http.destinations import Destinations
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from knowledge_service.adapters.postgres.sources import PostgresSources
from knowledge_service.adapters.text_extraction.extractor import FileTextExtractor
from knowledge_service.adapters.webdav import WebDavFolder
from knowledge_service.domain.source import Access
from knowledge_service.domain.visibility import Visibility
from knowledge_service.usecases import sources
from knowledge_service.usecases.source_sync import SyncSource
from knowledge_service.usecases.sources import CreateSource

from tests.components import changed
from tests.fakes.webdav_server import PASSWORD, USER, WebDavServer
from tests.knowledge_service.knowledge import Knowledge, a_user
from tests.knowledge_service.usecases.following import Following


async def test_files_become_documents(following: Following, server: WebDavServer, ada: Caller) -> None:
    """Also in folders, with their address; what is no text is listed with its reason."""
    (server.folder / "Börse & co").mkdir()
    (server.folder / "Börse & co" / "a #1 é.md").write_text("# Warfarin\n\nGrapefruit raises its level.")
    (server.folder / "b.txt").write_text("Aspirin.")
    (server.folder / "c.jpg").write_bytes(b"\xff\xd8")
    (server.folder / "d.pdf").write_bytes(b"no PDF")
    (server.folder / "e.txt").write_bytes(b"")

    source = await following.begin()

    assert (source.state.value, source.problem, source.documents, source.skipped) == ("current", None, 2, 3)
    found = await following.documents()
    assert found["a #1 é.md"][1:] == (
        "# Warfarin\n\nGrapefruit raises its level.",
        f"{server.url}/B%C3%B6rse%20%26%20co/a%20%231%20%C3%A9.md",
    )
    assert found["b.txt"][1] == "Aspirin."
    assert (await following.seen())[1] == {"c.jpg": "UNSUPPORTED_TYPE", "d.pdf": "BROKEN", "e.txt": "NO_TEXT"}
    assert len(await following.knowledge.found(ada, "grapefruit warfarin")) == 2
    assert await following.knowledge.found(a_user(), "grapefruit warfarin") == set()


async def test_hidden_characters_in_a_files_name(following: Following, server: WebDavServer) -> None:
    """The title shows where they were, so that no file passes for another; the address leads to the file."""
    (server.folder / "report\u202efdp.txt").write_text("Aspirin.")

    source = await following.begin()

    assert (source.state.value, source.documents) == ("current", 1)
    ((title, (_, _, address)),) = (await following.documents()).items()
    assert title == "report\ufffdfdp.txt"
    assert address == f"{server.url}/report%E2%80%AEfdp.txt"


async def test_documents_follow_their_files(following: Following, server: WebDavServer) -> None:
    """Added, changed, renamed and removed; what has not changed is not fetched again."""
    for name in ("stays.txt", "changes.txt", "moves.txt", "goes.txt"):
        (server.folder / name).write_text(f"{name} first")
    await following.begin()
    before = await following.documents()
    server.requests.clear()

    (server.folder / "changes.txt").write_text("changes.txt is longer now")
    (server.folder / "sub").mkdir()
    (server.folder / "moves.txt").rename(server.folder / "sub" / "moved.txt")
    (server.folder / "goes.txt").unlink()
    (server.folder / "new.txt").write_text("new")
    source = await following.again()

    after = await following.documents()
    assert (source.state.value, source.documents) == ("current", 4)
    assert set(after) == {"stays.txt", "changes.txt", "moved.txt", "new.txt"}
    assert after["stays.txt"] == before["stays.txt"]
    assert after["changes.txt"][:2] == (before["changes.txt"][0], "changes.txt is longer now")
    assert after["moved.txt"] == (*before["moves.txt"][:2], f"{server.url}/sub/moved.txt")
    fetched = {each for each in server.requests if each.startswith("GET")}
    assert fetched == {"GET /dav/changes.txt", "GET /dav/new.txt"}


async def test_what_the_owner_did_stays(following: Following, server: WebDavServer, ada: Caller) -> None:
    """A shared document stays shared when its file changes, and a deleted one deleted until then."""
    for name in ("shared.txt", "deleted.txt"):
        (server.folder / name).write_text("first")
    await following.begin()
    ids = {title: UUID(found[0]) for title, found in (await following.documents()).items()}
    await following.knowledge.put(ada, "x", Visibility.ROLE_USER, ids["shared.txt"])
    await following.knowledge.delete_document(caller=ada, document_id=ids["deleted.txt"])

    (server.folder / "shared.txt").write_text("second one")
    await following.again()

    assert set(await following.documents()) == {"shared.txt"}
    async with following.knowledge.units.statements() as unit:
        document = await unit.documents.find(ids["shared.txt"])
    assert document is not None
    assert document.visibility is Visibility.ROLE_USER


async def test_a_document_that_an_admin_has_shared_with_everyone(
    following: Following, server: WebDavServer, ada: Caller
) -> None:
    """Follows its file and stays shared, though its source acts without the rights of an admin."""
    (server.folder / "a.txt").write_text("first")
    await following.begin()
    document_id = UUID((await following.documents())["a.txt"][0])
    await following.knowledge.put(
        replace(ada, role=Role.ADMIN), "first", Visibility.EVERYONE, document_id=document_id
    )

    (server.folder / "a.txt").write_text("second one")
    await following.again()

    assert (await following.documents())["a.txt"][1] == "second one"
    assert await following.knowledge.found(a_user(), "second") == {document_id}


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ("503 Service Unavailable", "MAINTENANCE"),
        ("302 Found", "REDIRECTED"),
        ("401 Unauthorized", "UNAUTHORIZED"),
        ("404 Not Found", "NOT_FOUND"),
        ("500 Oops", "SERVER_ERROR"),
        ("200 OK", "NOT_WEBDAV"),
    ],
)
async def test_a_server_that_fails(
    following: Following, server: WebDavServer, status: str, problem: str
) -> None:
    """Loses no document, and says why; later everything is as it was."""
    (server.folder / "a.txt").write_text("first")
    await following.begin()

    server.status = status
    failed = await following.again()
    assert (failed.state.value, failed.problem, failed.documents) == ("failed", problem, 1)
    assert set(await following.documents()) == {"a.txt"}

    server.status = None
    assert (await following.again()).state.value == "current"


async def test_a_wrong_password(following: Following, server: WebDavServer) -> None:
    """Is said, and the pause grows."""
    source = await following.begin(password="wrong")

    assert (source.state.value, source.problem) == ("failed", "UNAUTHORIZED")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "https://[::1]/", "https://10.0.0.1/", "http://localhost/"]
)
async def test_private_networks_are_refused(knowledge: Knowledge, ada: Caller, url: str) -> None:
    """When the source is added, unless the operator allows the network."""
    create = CreateSource(knowledge.units, WebDavFolder(Destinations(allows_http=True)), SystemClock())

    with pytest.raises(Invalid):
        await create(caller=ada, access=Access(url, USER, PASSWORD))


async def test_a_name_that_leads_inside_later(following: Following, server: WebDavServer) -> None:
    """Is refused when it is connected to: the address is checked each time."""
    await following.begin()
    following.sync_source = SyncSource(
        following.knowledge.units,
        following.knowledge.directory,
        WebDavFolder(Destinations(allows_http=True)),
        FileTextExtractor(),
        following.knowledge.put_document,
        following.knowledge.delete_document,
        b"k" * 32,
        timedelta(0),
    )

    assert (await following.again()).problem == "ADDRESS_REFUSED"


async def test_one_process_at_a_time(following: Following, server: WebDavServer) -> None:
    """Of two that look at once, one gets the source."""
    (server.folder / "a.txt").write_text("first")
    access = Access(server.url, USER, PASSWORD)
    await following.create(caller=following.owner, access=access)

    assert sorted(await asyncio.gather(following.sync_source(), following.sync_source())) == [False, True]


async def test_deleting_a_source(following: Following, server: WebDavServer, ada: Caller) -> None:
    """Deletes its documents, from searches too; other users cannot."""
    (server.folder / "a.txt").write_text("Grapefruit and warfarin")
    source = await following.begin()
    kept = await following.knowledge.put(ada)

    with pytest.raises(NotFound):
        await following.delete(caller=a_user(), source_id=source.id)
    await following.delete(caller=ada, source_id=source.id)

    assert await following.knowledge.found(ada) == {kept.id}
    assert await following.knowledge.indexed() == {kept.id}
    with pytest.raises(NotFound):
        await following.seen()


async def test_deleting_a_source_of_many_files(
    following: Following, server: WebDavServer, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its documents go some at a time; a call that fails in between can be repeated."""
    for number in range(5):
        (server.folder / f"{number}.txt").write_text("Grapefruit and warfarin")
    source = await following.begin()
    monkeypatch.setattr(sources, "DELETED_AT_ONCE", 2)
    delete_some, left = PostgresSources.delete_some_documents, [2]

    async def delete_until_a_crash(self: PostgresSources, source_id: UUID, limit: int) -> Sequence[UUID]:
        if not left:
            raise ConnectionAbortedError
        return await delete_some(self, source_id, left.pop())

    with monkeypatch.context() as crashing, pytest.raises(ConnectionAbortedError):
        crashing.setattr(PostgresSources, "delete_some_documents", delete_until_a_crash)
        await following.delete(caller=ada, source_id=source.id)
    assert len(await following.documents()) == 3

    await following.delete(caller=ada, source_id=source.id)

    assert await following.documents() == {}
    assert await following.knowledge.pool.fetchval("SELECT count(*) FROM knowledge.sources") == 0
    await following.knowledge.index_waiting()
    assert await following.knowledge.indexed() == set()


@pytest.mark.parametrize("is_index_down", [False, True])
async def test_deleting_a_source_while_a_file_is_read(
    following: Following, server: WebDavServer, ada: Caller, is_index_down: bool
) -> None:
    """Leaves no document of that file behind, whatever fails after it."""
    (server.folder / "a.txt").write_text("first")
    source = await following.create(caller=ada, access=Access(server.url, USER, PASSWORD))

    class Meanwhile(FileTextExtractor):
        async def __call__(self, name: str, content: bytes) -> str:
            await following.delete(caller=ada, source_id=source.id)
            following.knowledge.index.is_down = is_index_down
            return await super().__call__(name, content)

    assert await changed(following.sync_source, extract=Meanwhile())()
    assert await following.documents() == {}
    assert await following.knowledge.indexed() == set()


async def test_erasing_the_owner(following: Following, server: WebDavServer, ada: Caller) -> None:
    """Erases sources with documents."""
    (server.folder / "a.txt").write_text("first")
    await following.begin()
    following.knowledge.directory.erased.add(ada.require_user_id())

    await following.knowledge.erase_if_erased(caller=ada, user_id=ada.require_user_id())

    assert await following.knowledge.pool.fetchval("SELECT count(*) FROM knowledge.sources") == 0
    assert await following.documents() == {}

"""Following a folder of a real WebDAV server: documents come, change and go with its files."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID

import pytest
from chassis.clock import SystemClock
from chassis.errors import Invalid, NotFound, Unavailable
from chassis.http.destinations import Destinations
from chassis.identity.caller import Caller
from knowledge_service.adapters.text_extraction.extractor import FileTextExtractor
from knowledge_service.adapters.webdav import WebDavFolder
from knowledge_service.domain.source import SOURCES_MAX, Access, Source, TooManySources
from knowledge_service.domain.visibility import Visibility
from knowledge_service.usecases.source_sync import SyncSource
from knowledge_service.usecases.sources import CreateSource, DeleteSource, GetSource

from tests.fakes.webdav_server import PASSWORD, USER, WebDavServer, running_webdav_server
from tests.knowledge_service.knowledge import Knowledge, a_user

FOLDER = WebDavFolder(Destinations(allows_http=True, networks=(ip_network("127.0.0.0/8"),)))


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[WebDavServer]:
    with running_webdav_server(tmp_path) as server:
        yield server


@pytest.fixture(name="ada")
def _ada() -> Caller:
    return a_user()


class Following:
    """A source and what follows it."""

    def __init__(self, knowledge: Knowledge, server: WebDavServer, owner: Caller) -> None:
        self.knowledge, self.server, self.owner = knowledge, server, owner
        self.create = CreateSource(knowledge.units, FOLDER, SystemClock())
        self.delete = DeleteSource(knowledge.units, knowledge.remove_from_index)
        self.sync_source = SyncSource(
            knowledge.units,
            knowledge.directory,
            FOLDER,
            FileTextExtractor(),
            knowledge.put_document,
            knowledge.delete_document,
            b"k" * 32,
            timedelta(0),
        )
        self.source_id: UUID | None = None

    async def begin(self, *, url: str | None = None, password: str = PASSWORD) -> Source:
        """Adds the source and follows it once."""
        access = Access(url or self.server.url, USER, password)
        self.source_id = (await self.create(caller=self.owner, access=access)).id
        return await self.again()

    async def again(self) -> Source:
        """Makes the source due, follows it, and returns it."""
        await self.knowledge.pool.execute("UPDATE knowledge.sources SET due_at = now()")
        assert await self.sync_source()
        return (await self.seen())[0]

    async def seen(self) -> tuple[Source, dict[str, str | None]]:
        """Returns the source, and its skipped files with their reasons."""
        assert self.source_id is not None
        source, skipped = await GetSource(self.knowledge.units)(caller=self.owner, source_id=self.source_id)
        return source, {each.path: each.problem for each in skipped}

    async def documents(self) -> dict[str, tuple[str, str, str | None]]:
        """Returns the owner's documents by title: id, text, address."""
        found = {}
        async with self.knowledge.units.statements() as unit:
            for each in await unit.documents.owned(self.owner.require_user_id(), None, 100):
                found[each.title] = (str(each.id), await unit.documents.text(each.id), each.source_url)
        return found


@pytest.fixture(name="following")
async def _following(knowledge: Knowledge, server: WebDavServer, ada: Caller) -> Following:
    return Following(knowledge, server, ada)


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


async def test_erasing_the_owner(following: Following, server: WebDavServer, ada: Caller) -> None:
    """Erases sources with documents."""
    (server.folder / "a.txt").write_text("first")
    await following.begin()
    following.knowledge.directory.erased.add(ada.require_user_id())

    await following.knowledge.erase_if_erased(caller=ada, user_id=ada.require_user_id())

    assert await following.knowledge.pool.fetchval("SELECT count(*) FROM knowledge.sources") == 0
    assert await following.documents() == {}


async def test_deactivating_the_owner(following: Following, server: WebDavServer, ada: Caller) -> None:
    """Lets sources wait until the user is reactivated; the last state stays."""
    await following.begin()
    directory = following.knowledge.directory
    (server.folder / "a.txt").write_text("first")
    asked = len(server.requests)

    directory.inactive.add(ada.require_user_id())
    source = await following.again()
    assert (source.state.value, await following.documents()) == ("current", {})
    assert len(server.requests) == asked

    directory.inactive.clear()
    await following.again()
    assert (await following.documents()).keys() == {"a.txt"}


async def test_when_nothing_is_known_of_the_owner(following: Following, server: WebDavServer) -> None:
    """The source waits, and no lease is in the way when user-service is back."""
    await following.begin()
    (server.folder / "a.txt").write_text("first")

    following.knowledge.directory.is_down = True
    with pytest.raises(Unavailable):
        await following.again()
    following.knowledge.directory.is_down = False

    assert await following.sync_source()
    assert (await following.documents()).keys() == {"a.txt"}


async def test_another_users_document_with_the_same_id(
    following: Following, server: WebDavServer, ada: Caller
) -> None:
    """Who saw a shared document can take its id once it is deleted; it stays theirs, and the rest goes on."""
    (server.folder / "a.txt").write_text("first")
    (server.folder / "b.txt").write_text("first")
    source = await following.begin()
    taken = UUID((await following.documents())["a.txt"][0])
    await following.knowledge.delete_document(caller=ada, document_id=taken)
    bob = a_user()
    await following.knowledge.put(bob, "Bob's own", document_id=taken)

    for name in ("a.txt", "b.txt"):
        (server.folder / name).write_text("second version")
    assert (await following.again()).state.value == "current"
    assert (await following.seen())[1] == {"a.txt": "ID_TAKEN"}
    assert (await following.documents())["b.txt"][1] == "second version"

    (server.folder / "a.txt").rename(server.folder / "c.txt")
    assert (await following.again()).documents == 1
    (server.folder / "c.txt").unlink()
    assert (await following.again()).documents == 1
    await following.delete(caller=ada, source_id=source.id)
    assert await following.knowledge.found(bob, "own") == {taken}


async def test_a_source_that_takes_long(following: Following, server: WebDavServer) -> None:
    """Lets others go first, and goes on where it was; one in which nothing comes to an end has failed."""
    for name in ("a.txt", "b.txt", "c.txt"):
        (server.folder / name).write_text("first")
    get_on = following.sync_source
    following.sync_source = replace(get_on, turn=timedelta(0))
    source = await following.begin()
    assert (source.state.value, source.problem, source.documents) == ("failed", "TOO_SLOW", 0)

    following.sync_source = replace(get_on, extract=Slow(FileTextExtractor()), turn=timedelta(seconds=1))
    source = await following.again()
    assert source.documents in {1, 2}
    assert await following.knowledge.pool.fetchval("SELECT due_at <= now() FROM knowledge.sources")

    following.sync_source = get_on
    source = await following.again()
    assert (source.state.value, source.documents) == ("current", 3)


@dataclass
class Slow:
    """`TextExtractor` that takes its time."""

    extract: FileTextExtractor

    def is_supported(self, name: str) -> bool:
        """Whether files of this name can hold text."""
        return self.extract.is_supported(name)

    async def __call__(self, name: str, content: bytes) -> str:
        """Returns a file's text, late."""
        await asyncio.sleep(0.7)
        return await self.extract(name, content)


async def test_so_many_sources(following: Following, server: WebDavServer, ada: Caller) -> None:
    """And no more, also at the same time; the password is stored encrypted."""
    adding = [
        following.create(caller=ada, access=Access(server.url, USER, PASSWORD))
        for _ in range(SOURCES_MAX + 2)
    ]
    results = await asyncio.gather(*adding, return_exceptions=True)

    assert sum(isinstance(each, TooManySources) for each in results) == 2
    stored = await following.knowledge.pool.fetchval("SELECT s::text FROM knowledge.sources AS s LIMIT 1")
    assert PASSWORD.encode().hex() not in stored

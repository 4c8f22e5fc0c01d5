"""What a source may cost others, and what becomes of it when its owner goes or an id is taken."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from chassis.errors import Unavailable
from chassis.identity.caller import Caller
from knowledge_service.adapters.text_extraction.extractor import FileTextExtractor
from knowledge_service.domain.source import SOURCES_MAX, Access, SourceExists, TooManySources

from tests.components import changed
from tests.fakes.webdav_server import PASSWORD, USER, WebDavServer
from tests.knowledge_service.knowledge import a_user
from tests.knowledge_service.usecases.following import Following


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
    following.sync_source = changed(get_on, turn=timedelta(0))
    source = await following.begin()
    assert (source.state.value, source.problem, source.documents) == ("failed", "TOO_SLOW", 0)

    following.sync_source = changed(get_on, extract=Slow(FileTextExtractor()), turn=timedelta(seconds=1))
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
        following.create(caller=ada, access=Access(f"{server.url}/{number}", USER, PASSWORD))
        for number in range(SOURCES_MAX + 2)
    ]
    results = await asyncio.gather(*adding, return_exceptions=True)

    assert sum(isinstance(each, TooManySources) for each in results) == 2
    stored = await following.knowledge.pool.fetchval("SELECT s::text FROM knowledge.sources AS s LIMIT 1")
    assert PASSWORD.encode().hex() not in stored


async def test_the_same_folder_twice(following: Following, server: WebDavServer, ada: Caller) -> None:
    """Is refused however the address is written, also at the same time; others may follow it."""
    url = server.url.rstrip("/")
    written = (url, f"{url}/", url.replace("http:", "HTTP:"), f"{url}//")
    adding = [following.create(caller=ada, access=Access(each, USER, PASSWORD)) for each in written]
    results = await asyncio.gather(*adding, return_exceptions=True)

    assert sum(isinstance(each, SourceExists) for each in results) == len(written) - 1
    await following.create(caller=ada, access=Access(url, "other", PASSWORD))
    await following.create(caller=a_user(), access=Access(url, USER, PASSWORD))

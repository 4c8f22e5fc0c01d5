"""A source of a real WebDAV server, and what follows it."""

from datetime import timedelta
from ipaddress import ip_network
from uuid import UUID

from chassis.clock import SystemClock
from chassis.http.destinations import Destinations
from chassis.identity.caller import Caller
from knowledge_service.adapters.text_extraction.extractor import FileTextExtractor
from knowledge_service.adapters.webdav import WebDavFolder
from knowledge_service.domain.source import Access, Source
from knowledge_service.usecases.source_sync import SyncSource
from knowledge_service.usecases.sources import CreateSource, DeleteSource, GetSource

from tests.fakes.webdav_server import PASSWORD, USER, WebDavServer
from tests.knowledge_service.knowledge import Knowledge

FOLDER = WebDavFolder(Destinations(allows_http=True, networks=(ip_network("127.0.0.0/8"),)))


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
                stored = await unit.documents.with_text(each.id)
                assert stored is not None
                found[each.title] = (str(each.id), stored[1], each.source_url)
        return found

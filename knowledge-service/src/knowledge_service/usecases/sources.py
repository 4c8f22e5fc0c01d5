"""Adding, listing and deleting sources."""

from collections.abc import Sequence
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import NotFound, StoredResponseExpired, TokenRevoked
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from knowledge_service.domain.document import DELETED_AT_ONCE
from knowledge_service.domain.source import (
    SKIPPED_SHOWN_MAX,
    SOURCES_MAX,
    Access,
    RemoteFolder,
    Source,
    SourceExists,
    SourceFile,
    TooManySources,
)
from knowledge_service.domain.unit_of_work import UnitsOfWork
from knowledge_service.usecases.indexing import RemoveFromIndex


class CreateSource(Component):
    """Adds a source; the background follows it from then on."""

    units: UnitsOfWork
    folder: RemoteFolder
    clock: Clock

    async def __call__(
        self, *, caller: Caller, access: Access, idempotency: IdempotencyRecord | None = None
    ) -> Source:
        """Returns the source; that of before on a retry.

        Raises:
            Invalid: nothing may connect to the URL.
            SourceExists: the caller follows this folder already.
            StoredResponseExpired: it was added before and has been deleted since.
            TooManySources: the caller has as many as one may have.
            TokenRevoked: the caller was erased since the token was issued.
        """
        await self.folder.check(access.url)
        owner_id = caller.require_user_id()
        source = Source(
            id=uuid7(), owner_id=owner_id, url=access.url, user=access.user, created_at=self.clock.now()
        )
        async with self.units.transaction() as unit:
            if not await unit.owners.admit(owner_id):
                raise TokenRevoked
            await unit.sources.lock(owner_id)
            owned = await unit.sources.owned(owner_id)
            if (outcome := recorded_outcome(idempotency)) is not None:
                for before in owned:
                    if before.id == outcome:
                        return before
                raise StoredResponseExpired
            # First, so that a retry that came while its first attempt ended does not meet its own source.
            await record_outcome(unit, idempotency, source.id)
            if source.folder in {each.folder for each in owned}:
                raise SourceExists
            if len(owned) >= SOURCES_MAX:
                raise TooManySources
            await unit.sources.add(source, access.password)
        return source


class ListSources(Component):
    """Lists the caller's sources, the newest first."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller) -> Sequence[Source]:
        """Returns them."""
        async with self.units.statements() as unit:
            return await unit.sources.owned(caller.require_user_id())


class GetSource(Component):
    """Returns a source of the caller, with files that are no documents."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller, source_id: UUID) -> tuple[Source, Sequence[SourceFile]]:
        """Returns the source and the first such files.

        Raises:
            NotFound: the caller has no such source.
        """
        async with self.units.statements() as unit:
            for source in await unit.sources.owned(caller.require_user_id()):
                if source.id == source_id:
                    return source, await unit.sources.skipped(source_id, SKIPPED_SHOWN_MAX)
        raise NotFound


class DeleteSource(Component):
    """Deletes a source of the caller and the documents of its files."""

    units: UnitsOfWork
    remove_from_index: RemoveFromIndex

    async def __call__(self, *, caller: Caller, source_id: UUID) -> None:
        """Deletes them; no search returns the documents from then on.

        Documents are deleted some at a time, and the source when none is left: until then a call that failed
        can be repeated. From the index this removes some, and the background the others.

        Raises:
            NotFound: the caller has no such source.
        """
        if not await self._has(caller, source_id):
            raise NotFound
        documents: list[UUID] = []
        while deleted := await self._delete_some(caller, source_id):
            documents += deleted
        for document_id in documents[:DELETED_AT_ONCE]:
            await self.remove_from_index(document_id=document_id)

    async def _has(self, caller: Caller, source_id: UUID) -> bool:
        async with self.units.transaction() as unit:
            return await unit.sources.lock_one(caller.require_user_id(), source_id)

    async def _delete_some(self, caller: Caller, source_id: UUID) -> Sequence[UUID]:
        """Returns documents that it has deleted; none when the source is gone, perhaps by another call."""
        async with self.units.transaction() as unit:
            if not await unit.sources.lock_one(caller.require_user_id(), source_id):
                return ()
            deleted = await unit.sources.delete_some_documents(source_id, DELETED_AT_ONCE)
            await unit.removals.add(deleted)
            if not deleted:
                await unit.sources.delete(source_id)
        return deleted

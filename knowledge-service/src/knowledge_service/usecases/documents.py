"""Putting, reading, listing and deleting documents."""

from enum import Enum, auto
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import NotFound, TokenRevoked
from chassis.identity.caller import Caller

from knowledge_service.domain.audit import Action, entry
from knowledge_service.domain.document import (
    Content,
    Document,
    IndexState,
    Page,
    Position,
    changed,
    new_document,
    require_deletable,
    require_owner,
    require_visibility,
    shared_otherwise,
)
from knowledge_service.domain.source import SourceGone
from knowledge_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from knowledge_service.domain.visibility import Visibility, labels_of_caller
from knowledge_service.usecases.indexing import IndexDocument, RemoveFromIndex

EMBEDDING_SECONDS = 3.0
"""How long a call waits for the vectors of its document; later ones come in the background."""


class _Change(Enum):
    CREATED = auto()
    WRITTEN = auto()
    SHARED = auto()
    """With the content that it had."""


class PutDocument(Component):
    """Creates a document or replaces the caller's own, and indexes it.

    The document commits before it is indexed, so that an index that is down loses nothing: the background
    indexes what a call could not.
    """

    units: UnitsOfWork
    index_document: IndexDocument
    clock: Clock

    async def __call__(
        self,
        *,
        caller: Caller,
        document_id: UUID,
        content: Content,
        visibility: Visibility | None,
        source_id: UUID | None = None,
    ) -> tuple[Document, bool]:
        """Returns the document, and whether it was created.

        Args:
            caller: Who puts it.
            document_id: Which.
            content: What it holds from now on.
            visibility: Who sees it; None leaves it as it is, and makes a new document private.
            source_id: The source that it comes from, with whose deletion it goes.

        Raises:
            Forbidden: the document is another user's that the caller sees, or the visibility is for admins.
            NotFound: the document is another user's that the caller does not see.
            Invalid: the text is too large.
            TokenRevoked: the caller was erased since the token was issued.
            SourceGone: the source does not exist any more.
            Unavailable: committed, but the index could not be reached.
        """
        content.check()
        async with self.units.transaction() as unit:
            if not await unit.owners.admit(caller.require_user_id()):
                raise TokenRevoked
            if source_id is not None and not await unit.sources.keep(source_id):
                raise SourceGone
            document, change = await self._store(unit, caller, document_id, content, visibility)
        if change is _Change.SHARED:
            indexed = await self.index_document.relabel(document_id=document.id, version=document.version)
        else:
            indexed = await self.index_document(document_id=document.id, embedding_seconds=EMBEDDING_SECONDS)
        return indexed or document, change is _Change.CREATED

    async def _store(
        self,
        unit: UnitOfWork,
        caller: Caller,
        document_id: UUID,
        content: Content,
        asked: Visibility | None,
    ) -> tuple[Document, _Change]:
        now = self.clock.now()
        before = await unit.documents.lock(document_id)
        if before is None:
            visibility = asked or Visibility.PRIVATE
            require_visibility(caller, visibility)
            document = new_document(document_id, caller, content, visibility, now)
            # Waits for a call that creates the same document at the same time.
            if await unit.documents.insert(document, content.text):
                # So that the removal of a deleted one does not remove this one from the index.
                await unit.removals.delete(document_id)
                await _audit_sharing(unit, caller, None, document)
                return document, _Change.CREATED
            before = await unit.documents.lock(document_id)
            if before is None:
                raise NotFound
        require_owner(caller, before)
        visibility = asked or before.visibility
        if visibility is not before.visibility:
            # Only then: the owner may go on writing what an admin has shared with everyone.
            require_visibility(caller, visibility)
        if await self._is_found_as(unit, before, content):
            document = shared_otherwise(before, visibility, now)
            await unit.documents.save_visibility(document)
            change = _Change.SHARED
        else:
            document = changed(before, content, visibility, now)
            await unit.documents.save(document, content.text)
            change = _Change.WRITTEN
        await _audit_sharing(unit, caller, before, document)
        return document, change

    async def _is_found_as(self, unit: UnitOfWork, before: Document, content: Content) -> bool:
        """Whether the document has this content already, and is found by it: its vectors stay as they are."""
        return (
            before.index_state(self.index_document.model) is IndexState.COMPLETE
            and (before.title, before.source_url) == (content.title, content.source_url)
            and await unit.documents.with_text(before.id) == (before, content.text)
        )


async def _audit_sharing(unit: UnitOfWork, caller: Caller, before: Document | None, after: Document) -> None:
    was = Visibility.PRIVATE if before is None else before.visibility
    if was is not after.visibility:
        details = {"from": was.value, "to": after.visibility.value}
        await unit.outbox.audit(
            entry(
                Action.SHARE,
                caller,
                owners=frozenset({after.owner_id}),
                documents=(after.id,),
                details=details,
            )
        )


class GetDocument(Component):
    """Returns a document with its text. Reading another user's is audited."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller, document_id: UUID) -> tuple[Document, str]:
        """Returns document and text.

        Raises:
            NotFound: there is none that the caller may see.
        """
        async with self.units.transaction() as unit:
            stored = await unit.documents.with_text(document_id)
            if stored is None or not stored[0].is_visible_to(caller):
                raise NotFound
            document, text = stored
            if document.owner_id != caller.user_id:
                await unit.outbox.audit(
                    entry(
                        Action.READ, caller, owners=frozenset({document.owner_id}), documents=(document_id,)
                    )
                )
        return document, text


class ListDocuments(Component):
    """Lists the documents that the caller sees. Listing those of other users is audited."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller, after: Position | None, offset: int, size: int) -> Page:
        """Returns one page, the newest documents first.

        Args:
            caller: Who asks.
            after: Begin after this position; None begins with the newest.
            offset: Rows to leave out first.
            size: Rows per page.
        """
        labels = labels_of_caller(caller)
        async with self.units.transaction() as unit:
            total_items = await unit.documents.count(labels)
            # One row more than the page shows whether another page follows.
            rows = await unit.documents.page(labels, after=after, offset=offset, limit=size + 1)
            shown = rows[:size]
            others = [each for each in shown if each.owner_id != caller.user_id]
            if others:
                owners = frozenset(each.owner_id for each in others)
                documents = tuple(each.id for each in others)
                await unit.outbox.audit(entry(Action.LIST, caller, owners=owners, documents=documents))
        return Page(documents=shown, total_items=total_items, has_next=len(rows) > size)


class DeleteDocument(Component):
    """Deletes a document: the owner's own, or any as an admin. Deleting another user's is audited."""

    units: UnitsOfWork
    remove_from_index: RemoveFromIndex

    async def __call__(self, *, caller: Caller, document_id: UUID) -> None:
        """Deletes the document.

        No search returns it once it is committed, also while the index still has it.

        Raises:
            NotFound: there is none that the caller sees.
            Forbidden: it belongs to another user, and the caller is no admin.
        """
        async with self.units.transaction() as unit:
            document = await unit.documents.lock(document_id)
            if document is None:
                raise NotFound
            require_deletable(caller, document)
            await unit.documents.delete(document_id)
            await unit.removals.add([document_id])
            if document.owner_id != caller.user_id:
                owners = frozenset({document.owner_id})
                await unit.outbox.audit(entry(Action.DELETE, caller, owners=owners, documents=(document_id,)))
        await self.remove_from_index(document_id=document_id)

"""The document: entity, rules for changing one, and the port to the stored ones."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.errors import Forbidden, Invalid, NotFound
from chassis.identity.caller import Caller

from knowledge_service.domain.visibility import (
    Visibility,
    has_admin_rights,
    labels_of_caller,
    labels_of_document,
)

TEXT_BYTES_MAX = 1024 * 1024
"""The largest text, in UTF-8."""

DELETED_AT_ONCE = 20
"""Documents that one transaction deletes of many, so that it ends within the statement timeout.

The largest has some thousand passages, which go with it.
"""


class IndexState(Enum):
    """How a document can be found."""

    WAITING = "waiting"
    """Not at all yet."""
    WORDS = "words"
    """By its words; its embeddings are still to come."""
    COMPLETE = "complete"
    """By its words, and by its meaning if there is an embedder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a user puts into a document."""

    title: str
    text: str
    source_url: str | None = None

    def check(self) -> None:
        """Checks what the transport cannot.

        Raises:
            Invalid: the text is too large.
        """
        if len(self.text.encode()) > TEXT_BYTES_MAX:
            raise Invalid.on("text", "is larger than 1 MiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document without its text.

    Attributes:
        version: Counts changes from 1.
        indexed_version: The version that can be found; 0 for none.
        embedded_with: The model whose vectors are in the index; empty for none.
    """

    id: UUID
    owner_id: UUID
    title: str
    source_url: str | None
    visibility: Visibility
    version: int
    created_at: datetime
    updated_at: datetime
    indexed_version: int = 0
    embedded_with: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The document's access labels."""
        return labels_of_document(self.owner_id, self.visibility)

    def is_visible_to(self, caller: Caller) -> bool:
        """Whether the caller sees it."""
        return not labels_of_caller(caller).isdisjoint(self.labels)

    def index_state(self, model: str) -> IndexState:
        """Returns how it can be found.

        Args:
            model: The embedder's; empty without one.
        """
        if self.indexed_version < self.version:
            return IndexState.WAITING
        return IndexState.COMPLETE if self.embedded_with == model else IndexState.WORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the indexing of a user's documents is.

    Attributes:
        documents: All of them.
        waiting: Those that no search finds yet.
        words: Those that are found by their words, but not by their meaning yet.
        sources: Sources that are being followed, or are to be for the first time.
    """

    documents: int
    waiting: int
    words: int
    sources: int

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.waiting or self.words or self.sources)


def new_document(
    document_id: UUID, caller: Caller, content: Content, visibility: Visibility, now: datetime
) -> Document:
    """Returns the first version of the caller's document."""
    return Document(
        id=document_id,
        owner_id=caller.require_user_id(),
        title=content.title,
        source_url=content.source_url,
        visibility=visibility,
        version=1,
        created_at=now,
        updated_at=now,
    )


def changed(document: Document, content: Content, visibility: Visibility, now: datetime) -> Document:
    """Returns the next version of a document, which is not in the index yet."""
    return replace(
        document,
        title=content.title,
        source_url=content.source_url,
        visibility=visibility,
        version=document.version + 1,
        updated_at=max(now, document.updated_at),
    )


def shared_otherwise(document: Document, visibility: Visibility, now: datetime) -> Document:
    """Returns a document with the same content, which the index does not know the labels of yet."""
    return replace(
        document,
        visibility=visibility,
        indexed_version=0,
        updated_at=max(now, document.updated_at),
    )


def require_visibility(caller: Caller, visibility: Visibility) -> None:
    """Checks that the caller may give a document this visibility.

    Raises:
        Forbidden: only an admin may share with everyone.
    """
    if visibility is Visibility.EVERYONE and not has_admin_rights(caller):
        raise Forbidden


def require_owner(caller: Caller, document: Document) -> None:
    """Checks that the caller may change the document.

    Raises:
        NotFound: the caller does not even see it.
        Forbidden: it belongs to another user.
    """
    if document.owner_id == caller.require_user_id():
        return
    raise Forbidden if document.is_visible_to(caller) else NotFound


def require_deletable(caller: Caller, document: Document) -> None:
    """Checks that the caller may delete the document.

    Raises:
        NotFound: the caller does not even see it.
        Forbidden: it belongs to another user, and the caller is no admin.
    """
    if not has_admin_rights(caller):
        require_owner(caller, document)


@dataclass(frozen=True, slots=True)
class Position:
    """A document's place in the list, which is ordered by creation, the newest first."""

    created_at: datetime
    document_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the list."""

    documents: Sequence[Document]
    total_items: int
    has_next: bool


class DocumentRepository(Protocol):
    """The stored documents. What is read is without those of erased users that are still to be deleted."""

    async def find(self, document_id: UUID) -> Document | None:
        """Returns a document as committed."""
        ...

    async def lock(self, document_id: UUID) -> Document | None:
        """Returns a document, locked against changes by others until the transaction ends."""
        ...

    async def with_text(self, document_id: UUID) -> tuple[Document, str] | None:
        """Returns a document as committed, and the text of that version."""
        ...

    async def insert(self, document: Document, text: str) -> bool:
        """Adds a document, claimed for the call; returns False, and adds nothing, when the id exists."""
        ...

    async def save(self, document: Document, text: str) -> None:
        """Overwrites a locked document and claims it for the call."""
        ...

    async def save_visibility(self, document: Document) -> None:
        """Overwrites the visibility of a locked document and claims it for the call."""
        ...

    async def delete(self, document_id: UUID) -> None:
        """Deletes a document and its passages."""
        ...

    async def delete_some_of(self, owner_id: UUID, limit: int) -> Sequence[UUID]:
        """Deletes documents of a user and returns their ids: none when none are left."""
        ...

    async def page(
        self, labels: Collection[str], *, after: Position | None, offset: int, limit: int
    ) -> Sequence[Document]:
        """Returns documents with one of the labels, after a position or from an offset."""
        ...

    async def owned(self, owner_id: UUID, after: UUID | None, limit: int) -> Sequence[Document]:
        """Returns documents of a user, in the order of their ids."""
        ...

    async def count(self, labels: Collection[str]) -> int:
        """Returns how many documents have one of the labels."""
        ...

    async def stored(self, owner_id: UUID) -> int:
        """Returns how many documents a user has, also one who is erased."""
        ...

    async def owners(self) -> Sequence[UUID]:
        """Returns every user who has a document or a source, also those who are erased."""
        ...

    async def mark_indexed(self, document_id: UUID, version: int, model: str) -> None:
        """Records that a version is in the index, with vectors of a model; empty for none."""
        ...

    async def claim_unindexed(self, model: str, claim_seconds: float) -> UUID | None:
        """Returns a document that is not in the index with vectors of the model, and claims it.

        No one else gets it for so long. None if there is none that is not claimed.
        """
        ...

    async def progress(self, owner_id: UUID, model: str) -> Progress:
        """Returns how far a user's documents are, for the embedder's model."""
        ...

    async def postpone(self, document_id: UUID, seconds: float) -> None:
        """Ends a claim; the document is claimed again after so long at the earliest."""
        ...

"""Indexing: a document becomes passages, vectors and entries of the index; a deleted one leaves it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import structlog
from chassis.component import Component
from chassis.errors import ServiceError, Unavailable

from knowledge_service.domain.chunking import Chunk, chunks
from knowledge_service.domain.document import Document
from knowledge_service.domain.embedder import Embedder, EmbedderUnavailable, Vector
from knowledge_service.domain.passage import Passage, passage_id
from knowledge_service.domain.passage_index import IndexEntry, PassageIndex
from knowledge_service.domain.term_weights import SparseVector, TermWeights
from knowledge_service.domain.unit_of_work import UnitsOfWork

log = structlog.get_logger()

CLAIM_SECONDS = 900.0
"""How long one process has a document that waits to be indexed; after a crash, another tries."""

RETRY_SECONDS = 30.0
"""How long after a failure a document is tried again."""

BACKGROUND_EMBEDDING_SECONDS = 600.0
"""How long the background waits for the vectors of one document."""

GIVE_BACK_SECONDS = 1.0
"""How long giving a document back may keep a service from stopping."""

EMBEDDED_AT_ONCE = 64
"""Passages after whose embedding it is checked that the document still is what is being embedded."""

REMOVALS_MAX = 100
"""Deleted documents that one run of the background removes from the index."""


class _OutdatedError(Exception):
    """The document was deleted or changed while it was embedded."""


class IndexDocument(Component):
    """Indexes the current version of a document.

    Passages and entries are replaced while the document is locked, so that of two calls the later one wins.
    Passages of the same version have the same ids, so that a search finds them all the while.

    Attributes:
        embedder: None when none is configured: documents are found by their words.
        slots: As many documents are stored in the index or removed from it at once, since each holds two
            connections to Postgres; shared with `RemoveFromIndex`.
    """

    units: UnitsOfWork
    index: PassageIndex
    embedder: Embedder | None
    term_weights: TermWeights
    slots: asyncio.Semaphore

    @property
    def model(self) -> str:
        """The model to embed with; empty for none."""
        return "" if self.embedder is None else self.embedder.model

    async def __call__(self, *, document_id: UUID, embedding_seconds: float) -> Document | None:
        """Returns the document as indexed; None when it was deleted or changed meanwhile.

        When the embedder is unavailable or takes too long, the document is indexed by its words alone.

        Args:
            document_id: The document.
            embedding_seconds: How long its embedding may take.

        Raises:
            Unavailable: the index could not be reached.
            EmbedderUnavailable: the document is found by its words already, and no vectors came.
        """
        async with self.units.statements() as unit:
            stored = await unit.documents.with_text(document_id)
        if stored is None:
            return None
        document, text = stored
        # A mebibyte of text takes a tenth of a second and more.
        cut, terms = await asyncio.to_thread(self._cut, document, text)
        try:
            vectors = await self._embed(document, cut, embedding_seconds)
        except _OutdatedError:
            return None
        passages = [_passage(document, each) for each in cut]
        dense: Sequence[Vector | None] = [None] * len(cut) if vectors is None else vectors
        entries = [
            IndexEntry(passage.id, vector, weights)
            for passage, vector, weights in zip(passages, dense, terms, strict=True)
        ]
        async with self.slots:
            return await self._store(document, passages, entries, "" if vectors is None else self.model)

    def _cut(self, document: Document, text: str) -> tuple[list[Chunk], list[SparseVector]]:
        cut = chunks(text)
        title = document.title
        return cut, [self.term_weights.of_passage(each.in_context(title), title=title) for each in cut]

    async def _embed(self, document: Document, cut: Sequence[Chunk], seconds: float) -> list[Vector] | None:
        """Returns a vector per passage; None for a document that has to be found by its words for now.

        Raises:
            _OutdatedError: the document was deleted or changed meanwhile.
            EmbedderUnavailable: the document is found by its words already.
        """
        if self.embedder is None:
            return None
        texts = [each.in_context(document.title) for each in cut]
        vectors: list[Vector] = []
        try:
            async with asyncio.timeout(seconds):
                for begin in range(0, len(texts), EMBEDDED_AT_ONCE):
                    if begin:
                        await self._require_current(document)
                    vectors += await self.embedder.embed_passages(texts[begin : begin + EMBEDDED_AT_ONCE])
        except (EmbedderUnavailable, TimeoutError) as error:
            if document.indexed_version == document.version:
                raise EmbedderUnavailable from error
            log.warning(
                "document not embedded, found by its words for now",
                document_id=str(document.id),
                passages=len(cut),
                error=type(error).__name__,
            )
            return None
        return vectors

    async def _require_current(self, document: Document) -> None:
        async with self.units.statements() as unit:
            present = await unit.documents.find(document.id)
        if present is None or present.version != document.version:
            raise _OutdatedError

    async def _store(
        self, document: Document, passages: Sequence[Passage], entries: Sequence[IndexEntry], model: str
    ) -> Document | None:
        async with self.units.transaction() as unit:
            present = await unit.documents.lock(document.id)
            if present is None or present.version != document.version:
                return None
            await unit.passages.replace(document.id, document.version, passages)
            # The labels may have changed since the text was read.
            await self.index.replace(document.id, present.labels, entries)
            await unit.documents.mark_indexed(document.id, document.version, model)
        return replace(present, indexed_version=document.version, embedded_with=model)

    async def relabel(self, *, document_id: UUID, version: int) -> Document | None:
        """Brings the labels in the index up to date for a document whose content is there already.

        Returns the document as indexed; None when it was deleted or changed meanwhile.

        Raises:
            Unavailable: the index could not be reached.
        """
        async with self.slots, self.units.transaction() as unit:
            present = await unit.documents.lock(document_id)
            if present is None or present.version != version:
                return None
            await self.index.relabel(document_id, present.labels)
            await unit.documents.mark_indexed(document_id, version, present.embedded_with)
        return replace(present, indexed_version=version)


class RemoveFromIndex(Component):
    """Removes a deleted document from the index.

    Attributes:
        slots: Those of `IndexDocument`.
    """

    units: UnitsOfWork
    index: PassageIndex
    slots: asyncio.Semaphore

    async def __call__(self, *, document_id: UUID) -> None:
        """Removes its entries, unless it exists again. When the index is down, the background does it."""
        try:
            async with self.slots, self.units.transaction() as unit:
                if await unit.removals.lock(document_id):
                    await self.index.remove(document_id)
                    await unit.removals.delete(document_id)
        except Unavailable as error:
            log.warning(
                "deleted document still in the index; retrying",
                document_id=str(document_id),
                reason=error.reason,
            )


class IndexWaiting(Component):
    """Does in the background what calls could not: after a crash, an outage, or a change of model."""

    units: UnitsOfWork
    index_document: IndexDocument
    remove_from_index: RemoveFromIndex

    async def __call__(self) -> bool:
        """Removes deleted documents and indexes one that waits; returns whether there was one.

        Raises:
            Unavailable: Postgres or the index could not be reached.
        """
        async with self.units.statements() as unit:
            deleted = await unit.removals.waiting(REMOVALS_MAX)
        for document_id in deleted:
            await self.remove_from_index(document_id=document_id)
        async with self.units.statements() as unit:
            waiting = await unit.documents.claim_unindexed(self.index_document.model, CLAIM_SECONDS)
        if waiting is None:
            return False
        try:
            await self.index_document(document_id=waiting, embedding_seconds=BACKGROUND_EMBEDDING_SECONDS)
        except ServiceError:
            await self._give_back(waiting, RETRY_SECONDS)
            raise
        except asyncio.CancelledError:
            # The service stops: another process goes on at once. Where this fails, the claim ends by itself.
            with suppress(ServiceError, TimeoutError):
                async with asyncio.timeout(GIVE_BACK_SECONDS):
                    await self._give_back(waiting, 0.0)
            raise
        return True

    async def _give_back(self, document_id: UUID, wait_seconds: float) -> None:
        async with self.units.statements() as unit:
            await unit.documents.postpone(document_id, wait_seconds)


def _passage(document: Document, chunk: Chunk) -> Passage:
    identifier = passage_id(document.id, document.version, chunk.begin, chunk.end)
    return Passage(identifier, chunk.begin, chunk.end, chunk.text)

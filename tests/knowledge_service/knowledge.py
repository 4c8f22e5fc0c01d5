"""knowledge-service's use cases on a real Postgres with pgvector, for tests of them."""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from chassis.clock import SystemClock
from chassis.errors import Unavailable
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7
from chassis.postgres.pool import Pool, open_pool
from devstack.database import Database
from devstack.postgres import Postgres
from devstack.topology import KNOWLEDGE
from knowledge_service.adapters.postgres.pgvector_index import PgvectorIndex
from knowledge_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from knowledge_service.adapters.text_seal import TextSeal
from knowledge_service.domain.document import Content, Document
from knowledge_service.domain.embedder import EmbedderUnavailable, Vector
from knowledge_service.domain.passage_index import Found, IndexEntry, Query
from knowledge_service.domain.term_weights import TermWeights
from knowledge_service.domain.visibility import Visibility
from knowledge_service.usecases.documents import DeleteDocument, PutDocument
from knowledge_service.usecases.erasure import EraseIfErased
from knowledge_service.usecases.indexing import IndexDocument, IndexWaiting, RemoveFromIndex
from knowledge_service.usecases.search import SearchPassages, SearchResult
from vestibule.events.v1.events_pb2 import AuditRecorded, Event

from tests.databases import emptied

EMPTYING = (
    "TRUNCATE knowledge.sources, knowledge.source_files, knowledge.documents, knowledge.passages,"
    " knowledge.index_removals, knowledge.attempts, knowledge.hash_keys, knowledge.master_keys,"
    " knowledge.erased_owners, knowledge.outbox, knowledge.audit_clients,"
    " knowledge.indexed_passages, knowledge.term_counts"
)
DIMENSIONS = 256
MASTER_KEY = bytes(range(32))


@dataclass
class FakeEmbedder:
    """`Embedder` whose vectors follow from the words of a text; it may be down.

    Attributes:
        embedded: How many passages it has embedded.
        meanwhile: Awaited after passages have been embedded.
    """

    model: str = "fake"
    dimensions: int = DIMENSIONS
    is_down: bool = False
    embedded: int = 0
    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Returns a vector for each text."""
        vectors = [await self.embed_query(text) for text in texts]
        self.embedded += len(texts)
        if self.meanwhile is not None:
            await self.meanwhile()
        return vectors

    async def embed_query(self, text: str) -> Vector:
        """Returns the vector of a question."""
        if self.is_down:
            raise EmbedderUnavailable
        counts = [1e-3] * self.dimensions
        for word in text.casefold().split():
            counts[int(hashlib.sha256(word.encode()).hexdigest(), 16) % self.dimensions] += 1
        length = math.sqrt(sum(count * count for count in counts))
        return [count / length for count in counts]


@dataclass
class InterruptedIndex:
    """The real index, which may miss changes or filter wrongly.

    Attributes:
        is_down: Whether it is unreachable for changes, as after a crash between commit and index.
        leaking: Labels whose documents every search returns.
    """

    index: PgvectorIndex
    is_down: bool = False
    leaking: Collection[str] = ()

    async def replace(
        self, document_id: UUID, labels: Collection[str], entries: Sequence[IndexEntry]
    ) -> None:
        """Replaces a document's entries."""
        self._check()
        await self.index.replace(document_id, labels, entries)

    async def relabel(self, document_id: UUID, labels: Collection[str]) -> None:
        """Changes who may find the document's entries."""
        self._check()
        await self.index.relabel(document_id, labels)

    async def remove(self, document_id: UUID) -> None:
        """Removes a document's entries."""
        self._check()
        await self.index.remove(document_id)

    async def search(self, query: Query, labels: Collection[str], limit: int) -> Found:
        """Finds passages."""
        return await self.index.search(query, {*labels, *self.leaking}, limit)

    def _check(self) -> None:
        if self.is_down:
            raise Unavailable


@dataclass
class Directory:
    """`UserDirectory` whose erased and deactivated users the test sets; it may be down."""

    erased: set[UUID] = field(default_factory=set)
    inactive: set[UUID] = field(default_factory=set)
    is_down: bool = False

    async def is_active(self, user_id: UUID) -> bool:
        """Whether the user is neither erased nor deactivated."""
        if self.is_down:
            raise Unavailable
        return user_id not in self.erased | self.inactive

    async def is_erased(self, user_id: UUID) -> bool:
        """Whether the user was erased."""
        if self.is_down:
            raise Unavailable
        return user_id in self.erased


@dataclass
class Knowledge:
    """The use cases, and what they stand on."""

    pool: Pool
    embedder: FakeEmbedder = field(default_factory=FakeEmbedder)
    directory: Directory = field(default_factory=Directory)
    seal: TextSeal = field(default_factory=lambda: TextSeal(MASTER_KEY))

    def __post_init__(self) -> None:
        self.units = PostgresUnitsOfWork(self.pool, self.seal)
        weights = TermWeights(b"key")
        dimensions = self.embedder.dimensions
        self.index = InterruptedIndex(
            PgvectorIndex(self.pool, model=self.embedder.model, dimensions=dimensions)
        )
        slots = asyncio.Semaphore(3)
        self.index_document = IndexDocument(self.units, self.index, self.embedder, weights, slots)
        self.remove_from_index = RemoveFromIndex(self.units, self.index, slots)
        self.index_waiting = IndexWaiting(self.units, self.index_document, self.remove_from_index)
        self.put_document = PutDocument(self.units, self.index_document, SystemClock())
        self.delete_document = DeleteDocument(self.units, self.remove_from_index)
        self.search_passages = SearchPassages(self.units, self.index, self.embedder, weights)
        self.erase_if_erased = EraseIfErased(self.units, self.directory, self.remove_from_index)

    async def put(
        self,
        caller: Caller,
        text: str = "Grapefruit raises the level of warfarin.",
        visibility: Visibility = Visibility.PRIVATE,
        document_id: UUID | None = None,
    ) -> Document:
        """Puts a document, a new one unless it is named."""
        content = Content(title="Notes", text=text)
        document, _ = await self.put_document(
            caller=caller, document_id=document_id or uuid7(), content=content, visibility=visibility
        )
        return document

    async def search(self, caller: Caller, query: str = "warfarin grapefruit") -> SearchResult:
        """Searches."""
        return await self.search_passages(caller=caller, query=query, limit=20)

    async def found(self, caller: Caller, query: str = "warfarin grapefruit") -> set[UUID]:
        """Returns the documents that a search finds."""
        return {each.found.document_id for each in (await self.search(caller, query)).passages}

    async def indexed(self) -> set[UUID]:
        """Returns the documents in the index."""
        rows = await self.pool.fetch("SELECT DISTINCT document_id FROM knowledge.indexed_passages")
        return {row["document_id"] for row in rows}

    async def audited(self) -> list[AuditRecorded]:
        """Returns the audit entries in the outbox, in order."""
        rows = await self.pool.fetch("SELECT payload FROM knowledge.outbox ORDER BY position")
        return [Event.FromString(row["payload"]).audit_recorded for row in rows]


def a_user(role: Role = Role.USER) -> Caller:
    """Returns a caller who is a new user."""
    return Caller(user_id=uuid7(), role=role)


@asynccontextmanager
async def emptied_pool(postgres: Postgres, migrated: Database) -> AsyncIterator[Pool]:
    """Opens a pool on a database of these tests without rows, with the service's role."""
    database = await emptied(postgres, migrated, KNOWLEDGE, EMPTYING)
    async with open_pool(database.url("knowledge_service"), application_name="test", max_size=10) as pool:
        yield pool

"""The index in Qdrant, which fuses both rankings itself."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx
import structlog
from chassis.errors import Unavailable
from chassis.tls import default_context
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from knowledge_service.domain.passage_index import (
    DIMENSIONS,
    RANK_OFFSET,
    RANKING_SECONDS,
    RANKS_FUSED,
    Found,
    Hit,
    IndexEntry,
    Query,
)
from knowledge_service.domain.term_weights import SparseVector

log = structlog.get_logger()

COLLECTION = "vestibule_passages"
TERMS = "terms"
BATCH = 256
TIMEOUT_SECONDS = 10


@asynccontextmanager
async def open_qdrant_index(
    url: str, *, api_key: str | None, model: str, dimensions: int
) -> AsyncIterator["QdrantIndex"]:
    """Opens the index of a Qdrant server, reachable or not yet, at port 6333 by default."""
    client = AsyncQdrantClient(
        url=url,
        port=6333,
        api_key=api_key,
        timeout=TIMEOUT_SECONDS,
        check_compatibility=False,
        verify=default_context(),
    )
    try:
        yield QdrantIndex(client, model=model, dimensions=dimensions)
    finally:
        await client.close()


class QdrantIndex:
    """`PassageIndex` in one collection, which is created with the first document.

    Args:
        client: The client, opened.
        model: Identifies the model of the dense vectors.
        dimensions: Their length, one of `DIMENSIONS`: each has a named vector, so that models of several
            lengths fit into one collection.
        collection: The collection's name.
    """

    def __init__(
        self, client: AsyncQdrantClient, *, model: str, dimensions: int, collection: str = COLLECTION
    ) -> None:
        if dimensions not in DIMENSIONS:
            raise ValueError(f"vectors of length {dimensions} cannot be indexed, only those of {DIMENSIONS}")
        self._client = client
        self._model = model
        self._dimensions = dimensions
        self._collection = collection
        self._created = False

    async def replace(
        self, document_id: UUID, labels: Collection[str], entries: Sequence[IndexEntry]
    ) -> None:
        """Makes these the document's only entries; a search at the same time may find old and new ones."""
        points = [self._point(document_id, labels, entry) for entry in entries]
        outdated = models.Filter(
            must=[_matches("document_id", [str(document_id)])],
            must_not=[models.HasIdCondition(has_id=[point.id for point in points])],
        )
        with _unavailable():
            await self._create()
            for begin in range(0, len(points), BATCH):
                await self._client.upsert(self._collection, points[begin : begin + BATCH], wait=True)
            await self._client.delete(self._collection, models.FilterSelector(filter=outdated), wait=True)

    async def relabel(self, document_id: UUID, labels: Collection[str]) -> None:
        """Changes who may find the document's entries."""
        with _unavailable():
            await self._create()
            await self._client.set_payload(
                self._collection, {"labels": sorted(labels)}, points=_of_document(document_id), wait=True
            )

    async def remove(self, document_id: UUID) -> None:
        """Removes a document's entries, if there are any."""
        with _unavailable():
            await self._create()
            selector = models.FilterSelector(filter=_of_document(document_id))
            await self._client.delete(self._collection, selector, wait=True)

    async def search(self, query: Query, labels: Collection[str], limit: int) -> Found:
        """Returns the best passages that carry at least one of the labels."""
        rankings = list(self._rankings(query, labels, max(limit, RANKS_FUSED)))
        if not rankings:
            return Found((), is_whole=True)
        try:
            return Found(await self._fused(rankings, limit), is_whole=True)
        except Unavailable as error:
            if len(rankings) == 1:
                raise
            log.warning("ranking left out of a search", error=type(error.__cause__).__name__)
        # Qdrant does not report which of them is slow. The terms need the least of it.
        return Found(await self._fused(rankings[-1:], limit), is_whole=False)

    async def _fused(self, rankings: list[models.Prefetch], limit: int) -> list[Hit]:
        with _unavailable():
            await self._create()
            async with asyncio.timeout(RANKING_SECONDS * len(rankings)):
                found = await self._client.query_points(
                    self._collection,
                    prefetch=rankings,
                    # Qdrant counts ranks from 0.
                    query=models.RrfQuery(rrf=models.Rrf(k=RANK_OFFSET + 1)),
                    limit=limit,
                    with_payload=False,
                )
        return [Hit(UUID(str(point.id)), point.score) for point in found.points]

    def _rankings(self, query: Query, labels: Collection[str], depth: int) -> Iterator[models.Prefetch]:
        visible = _matches("labels", sorted(labels))
        if query.dense is not None:
            yield models.Prefetch(
                query=list(query.dense),
                using=_dense(self._dimensions),
                filter=models.Filter(must=[visible, _matches("model", [self._model])]),
                limit=depth,
            )
        if query.terms:
            yield models.Prefetch(
                query=_sparse(query.terms), using=TERMS, filter=models.Filter(must=[visible]), limit=depth
            )

    def _point(self, document_id: UUID, labels: Collection[str], entry: IndexEntry) -> models.PointStruct:
        vectors: dict[str, Any] = {TERMS: _sparse(entry.terms)}
        if entry.dense is not None:
            if len(entry.dense) != self._dimensions:
                raise ValueError(f"a vector of length {len(entry.dense)} in an index of {self._dimensions}")
            vectors[_dense(self._dimensions)] = list(entry.dense)
        payload = {"document_id": str(document_id), "labels": sorted(labels), "model": self._model}
        return models.PointStruct(id=str(entry.passage_id), vector=vectors, payload=payload)

    async def _create(self) -> None:
        """Creates the collection unless it exists; two processes may do so at the same time."""
        if self._created:
            return
        if not await self._client.collection_exists(self._collection):
            try:
                await self._client.create_collection(
                    self._collection,
                    vectors_config={
                        _dense(each): models.VectorParams(
                            size=each, distance=models.Distance.COSINE, datatype=models.Datatype.FLOAT16
                        )
                        for each in DIMENSIONS
                    },
                    sparse_vectors_config={TERMS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                )
            except UnexpectedResponse as error:
                if error.status_code != HTTPStatus.CONFLICT:
                    raise
        for field in ("document_id", "labels", "model"):
            await self._client.create_payload_index(
                self._collection, field, models.PayloadSchemaType.KEYWORD, wait=True
            )
        self._created = True


def _dense(dimensions: int) -> str:
    return f"dense_{dimensions}"


def _sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=list(vector), values=list(vector.values()))


def _of_document(document_id: UUID) -> models.Filter:
    return models.Filter(must=[_matches("document_id", [str(document_id)])])


def _matches(field: str, values: list[str]) -> models.FieldCondition:
    return models.FieldCondition(key=field, match=models.MatchAny(any=values))


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (ResponseHandlingException, UnexpectedResponse, httpx.HTTPError, TimeoutError) as error:
        raise Unavailable from error

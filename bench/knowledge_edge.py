"""Qdrant's engine in this process, with the collection and the queries of `QdrantIndex`."""

from collections.abc import Collection, Sequence
from pathlib import Path
from uuid import UUID

import qdrant_edge as edge
from knowledge_service.domain.passage_index import RANK_OFFSET, RANKS_FUSED, Found, Hit, IndexEntry, Query


class EdgeIndex:
    """What the bench needs of `PassageIndex`, by the package `qdrant-edge-py`."""

    def __init__(self, folder: Path, dimensions: int) -> None:
        config = edge.EdgeConfig(
            vectors={
                "dense": edge.EdgeVectorParams(
                    size=dimensions,
                    distance=edge.Distance.Cosine,
                    datatype=edge.VectorStorageDatatype.Float16,
                )
            },
            sparse_vectors={"terms": edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        )
        self._shard = edge.EdgeShard.create(str(folder), config)
        self._shard.update(edge.UpdateOperation.create_field_index("labels", edge.PayloadSchemaType.Keyword))

    async def replace(
        self, document_id: UUID, labels: Collection[str], entries: Sequence[IndexEntry]
    ) -> None:
        """Adds entries."""
        points = [
            edge.Point(
                str(entry.passage_id),
                {"dense": list(entry.dense or ()), "terms": _sparse(entry.terms)},
                {"labels": list(labels), "document_id": str(document_id)},
            )
            for entry in entries
        ]
        self._shard.update(edge.UpdateOperation.upsert_points(points))

    def optimize(self) -> None:
        """Builds the graph."""
        self._shard.optimize()

    async def search(self, query: Query, labels: Collection[str], limit: int) -> Found:
        """Returns the best passages, fused in the engine."""
        visible = edge.Filter(must=[edge.FieldCondition("labels", edge.MatchAny(list(labels)))])
        queries = []
        if query.dense is not None:
            queries.append(edge.Query.Nearest(list(query.dense), using="dense"))
        if query.terms:
            queries.append(edge.Query.Nearest(_sparse(query.terms), using="terms"))
        found = self._shard.query(
            edge.QueryRequest(
                limit=limit,
                query=edge.Fusion.Rrf(k=RANK_OFFSET + 1),
                prefetches=[
                    edge.Prefetch(limit=max(limit, RANKS_FUSED), query=each, filter=visible)
                    for each in queries
                ],
            )
        )
        return Found([Hit(UUID(str(point.id)), point.score) for point in found], is_whole=True)


def _sparse(terms: object) -> edge.SparseVector:
    assert isinstance(terms, dict)
    return edge.SparseVector(list(terms), list(terms.values()))

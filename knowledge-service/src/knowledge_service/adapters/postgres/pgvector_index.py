"""The index in Postgres: `knowledge.indexed_passages`, by the extension pgvector."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TypeAlias
from uuid import UUID

import structlog
from chassis.errors import Unavailable
from chassis.postgres.connection import Connection
from chassis.postgres.pool import Pool
from chassis.startup_errors import StartupRefused

from knowledge_service.adapters.postgres.term_ranking import by_terms, count_terms, sparse
from knowledge_service.domain.embedder import Vector
from knowledge_service.domain.passage_index import (
    DIMENSIONS,
    RANKING_SECONDS,
    RANKS_FUSED,
    Found,
    IndexEntry,
    Query,
    fuse,
)

log = structlog.get_logger()

BATCH = 32
"""Entries per batch of inserts, each of which has to end within the statement timeout."""

EXTENSION_VERSION = (0, 8)
"""The first version of pgvector that goes on scanning while a filter leaves too few rows."""

Ranking: TypeAlias = Callable[[Connection], Awaitable[list[UUID]]]
"""Returns passages, best first."""

_SETTINGS = f"""
SELECT set_config('statement_timeout', '{RANKING_SECONDS * 1000:.0f}', true),
       set_config('hnsw.iterative_scan', 'relaxed_order', true),
       set_config('hnsw.ef_search', '400', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)
"""
"""A scan of the graph goes on until enough passages pass the filter; plans depend on the labels."""


async def require_extension(pool: Pool) -> None:
    """Makes sure that Postgres has the extension, and the tables also where it came after the migrations.

    Raises:
        StartupRefused: it has none, or one that is too old.
    """
    row = await pool.fetchrow(
        """
        SELECT to_regclass('knowledge.indexed_passages') IS NOT NULL AS has_tables,
               (SELECT string_to_array(extversion, '.')::int[] >= $1::int[]
                FROM pg_extension WHERE extname = 'vector') AS is_recent
        """,
        list(EXTENSION_VERSION),
    )
    if row is None or not row["is_recent"]:
        least = ".".join(map(str, EXTENSION_VERSION))
        found = "is too old" if row is not None and row["is_recent"] is False else "is missing"
        raise StartupRefused(
            f"Postgres' extension `vector` (pgvector {least} or later), which searches need, {found}: have an"
            " admin run `CREATE EXTENSION vector WITH SCHEMA knowledge` or `ALTER EXTENSION vector UPDATE`,"
            " or set QDRANT_URL to use Qdrant instead"
        )
    if not row["has_tables"]:
        await pool.execute("SELECT knowledge.create_passage_index()")


class PgvectorIndex:
    """`PassageIndex` in the service's own schema.

    Args:
        pool: The service's pool.
        model: Identifies the model of the dense vectors.
        dimensions: Their length, one of `DIMENSIONS`.
    """

    def __init__(self, pool: Pool, *, model: str, dimensions: int) -> None:
        if dimensions not in DIMENSIONS:
            raise ValueError(f"vectors of length {dimensions} cannot be indexed, only those of {DIMENSIONS}")
        self._pool = pool
        self._model = model
        self._dimensions = dimensions

    async def replace(
        self, document_id: UUID, labels: Collection[str], entries: Sequence[IndexEntry]
    ) -> None:
        """Makes these the document's only entries."""
        async with self._pool.transaction() as transaction:
            before = await _delete(transaction, document_id)
            for begin in range(0, len(entries), BATCH):
                await self._insert(transaction, document_id, labels, entries[begin : begin + BATCH])
            await count_terms(transaction, before, [entry.terms for entry in entries])

    async def relabel(self, document_id: UUID, labels: Collection[str]) -> None:
        """Changes who may find the document's entries."""
        async with self._pool.acquire() as connection:
            await connection.execute(
                "UPDATE knowledge.indexed_passages SET labels = $2 WHERE document_id = $1",
                document_id,
                sorted(labels),
            )

    async def remove(self, document_id: UUID) -> None:
        """Removes a document's entries, if there are any."""
        async with self._pool.transaction() as transaction:
            await count_terms(transaction, await _delete(transaction, document_id), [])

    async def search(self, query: Query, labels: Collection[str], limit: int) -> Found:
        """Returns the best passages that carry at least one of the labels."""
        depth = max(limit, RANKS_FUSED)
        attempts: list[Ranking] = []
        if query.dense is not None:
            attempts.append(partial(self._by_meaning, dense=query.dense, labels=labels, depth=depth))
        if query.terms:
            attempts.append(partial(by_terms, counts=query.terms, labels=labels, depth=depth))
        rankings, failure = [], None
        for attempt in attempts:
            try:
                async with self._pool.transaction(readonly=True) as transaction:
                    await transaction.execute(_SETTINGS)
                    rankings.append(await attempt(transaction))
            except Unavailable as error:
                log.warning("ranking left out of a search", error=type(error.__cause__).__name__)
                failure = error
        if failure is not None and not rankings:
            raise failure
        return Found(fuse(rankings, limit), is_whole=failure is None)

    async def _insert(
        self,
        connection: Connection,
        document_id: UUID,
        labels: Collection[str],
        entries: Sequence[IndexEntry],
    ) -> None:
        await connection.executemany(
            """
            INSERT INTO knowledge.indexed_passages
                (passage_id, document_id, labels, model, dimensions, dense, terms, term_ids)
            VALUES ($1, $2, $3, $4, $5, $6::text::halfvec, $7::text::sparsevec, $8)
            """,
            [
                (
                    entry.passage_id,
                    document_id,
                    sorted(labels),
                    self._model,
                    self._dimensions,
                    _dense(entry.dense, self._dimensions),
                    sparse(entry.terms),
                    sorted(entry.terms),
                )
                for entry in entries
            ],
        )

    async def _by_meaning(
        self, connection: Connection, dense: Vector, labels: Collection[str], depth: int
    ) -> list[UUID]:
        arguments = (_dense(dense, self._dimensions), list(labels), self._model, depth)
        rows = await connection.fetch(_nearest(self._dimensions, exact=False), *arguments)
        if len(rows) < depth:
            # The scan has given up after some thousands of foreign passages. So the caller sees few, and
            # comparing with each of them is cheap.
            rows = await connection.fetch(_nearest(self._dimensions, exact=True), *arguments)
        return [row["passage_id"] for row in rows]


def _nearest(dimensions: int, *, exact: bool) -> str:
    """Returns the statement for the nearest vectors; an exact one has an order that no index offers."""
    distance = f"dense::halfvec({dimensions}) <=> $1::text::halfvec({dimensions})"
    return f"""
        WITH nearest AS MATERIALIZED (
            SELECT passage_id, {distance} AS distance
            FROM knowledge.indexed_passages
            WHERE labels && $2 AND model = $3 AND dimensions = {dimensions} AND dense IS NOT NULL
            ORDER BY {f"({distance}) + 0" if exact else distance}
            LIMIT $4
        )
        SELECT passage_id FROM nearest ORDER BY distance, passage_id
    """  # noqa: S608 of numbers


async def _delete(connection: Connection, document_id: UUID) -> list[list[int]]:
    """Removes a document's entries and returns the terms of each.

    Other transactions wait for this one's end before they replace the same document's entries.
    """
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('knowledge:index:' || $1::text, 0))", str(document_id)
    )
    rows = await connection.fetch(
        "DELETE FROM knowledge.indexed_passages WHERE document_id = $1 RETURNING term_ids", document_id
    )
    return [row["term_ids"] for row in rows]


def _dense(vector: Vector | None, dimensions: int) -> str | None:
    if vector is None:
        return None
    if len(vector) != dimensions:
        raise ValueError(f"a vector of length {len(vector)} in an index of {dimensions}")
    return "[" + ",".join(f"{value:.6g}" for value in vector) + "]"

"""Latency and memory of searches with many passages, for `bench.knowledge`."""

import asyncio
import random
import shutil
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import numpy as np
from devstack.postgres import Postgres
from knowledge_service.adapters.onnx_embedder import OnnxEmbedder
from knowledge_service.adapters.postgres.pgvector_index import PgvectorIndex
from knowledge_service.domain.passage_index import IndexEntry, PassageIndex, Query
from knowledge_service.domain.term_weights import TERM_ID_MAX

from bench.knowledge_edge import EdgeIndex
from bench.report import quantile

OWNERS = 1000
EVERYONE, OWNER = ("everyone",), ("user:7",)
CALLERS = {"sees half": EVERYONE, "sees a thousandth": OWNER}

FOUND = 50
"""Passages that are asked for, as the service does."""

WARMING = 10
"""Searches that are not counted."""

STATISTICS_SECONDS = 12.0
"""After this long without a transaction, Postgres has counted the last scan."""

_SCANS = """
    SELECT 'sequential', seq_scan FROM pg_stat_user_tables WHERE relname = 'indexed_passages'
    UNION ALL
    SELECT indexrelname, idx_scan FROM pg_stat_user_indexes
    WHERE indexrelname IN ('indexed_passages_by_meaning_384', 'indexed_passages_by_term')
    ORDER BY 1
"""

BATCH = 1000

SETTINGS = {
    "maintenance_work_mem": "3GB",
    "max_parallel_maintenance_workers": "4",
    "max_wal_size": "4GB",
    "fsync": "off",
}
"""Of Postgres. What is filled can be filled again; searches write nothing."""

EDGE_MAX = 100_000
"""Passages that Qdrant's engine is filled with at most: more take too long in one process."""

_DROP = """
    TRUNCATE knowledge.indexed_passages, knowledge.term_counts;
    DROP INDEX knowledge.indexed_passages_by_meaning_384, knowledge.indexed_passages_by_term,
        knowledge.indexed_passages_of_document;
    ALTER TABLE knowledge.indexed_passages DROP CONSTRAINT indexed_passages_pkey;
"""
_BUILD = (
    "ALTER TABLE knowledge.indexed_passages ADD CONSTRAINT indexed_passages_pkey PRIMARY KEY (passage_id)",
    """
    CREATE INDEX indexed_passages_by_meaning_384 ON knowledge.indexed_passages
        USING hnsw ((dense::halfvec(384)) halfvec_cosine_ops)
        WHERE dimensions = 384 AND dense IS NOT NULL
    """,
    "CREATE INDEX indexed_passages_of_document ON knowledge.indexed_passages (document_id)",
    """
    CREATE INDEX indexed_passages_by_term ON knowledge.indexed_passages
        USING gin (term_ids, labels) WITH (fastupdate = off)
    """,
    """
    INSERT INTO knowledge.term_counts
        SELECT unnest(term_ids), count(*) FROM knowledge.indexed_passages GROUP BY 1
        UNION ALL SELECT 0, count(*) FROM knowledge.indexed_passages
    """,
    "VACUUM ANALYZE knowledge.indexed_passages",
    "CHECKPOINT",
)


def folder_of(folder: Path, size: int) -> Path:
    """Returns the folder of the server with this number of passages."""
    return folder / f"postgres-{size}"


def is_filled(folder: Path, size: int) -> bool:
    """Whether that server has its passages."""
    return (folder_of(folder, size) / "filled").exists()


async def measure_query(embedder: OnnxEmbedder, texts: Sequence[str]) -> None:
    """Prints what embedding a question takes."""
    times = []
    for text in texts:
        begun = time.perf_counter()
        await embedder.embed_query(text)
        times.append((time.perf_counter() - begun) * 1000)
    print(f"embedding a question: p50 {_of(times, 0.5)} ms, p95 {_of(times, 0.95)} ms", flush=True)


@dataclass(frozen=True, slots=True)
class Scale:
    """What the measurements of all sizes have in common.

    Attributes:
        index: The index in Postgres.
        embedder: Whose vectors the entries have.
        server: The same Postgres.
        folder: Where the servers are, and where Qdrant's engine may store its passages.
        entries: Passages of the collection, which the others are made from.
        queries: Questions of the collection.
    """

    index: PgvectorIndex
    embedder: OnnxEmbedder
    server: Postgres
    folder: Path
    entries: Sequence[IndexEntry]
    queries: Sequence[Query]

    async def measure(self, size: int, searches: int) -> None:
        """Prints latencies and sizes with this number of passages in Postgres, and in Qdrant's engine."""
        connection = await asyncpg.connect(self.server.url())
        if not is_filled(self.folder, size):
            begun = time.perf_counter()
            await _fill(connection, self.entries, size, self.embedder.model)
            print(f"{size} passages in Postgres: filled in {time.perf_counter() - begun:.0f} s", flush=True)
            (folder_of(self.folder, size) / "filled").touch()
        table, graph = [
            await connection.fetchval(f"SELECT pg_total_relation_size('knowledge.{name}') / 1048576")
            for name in ("indexed_passages", "indexed_passages_by_meaning_384")
        ]
        print(
            f"{size} passages in Postgres: {table} MiB with indexes, of which the graph {graph} MiB",
            flush=True,
        )
        for caller in CALLERS:
            before = await connection.fetch(_SCANS)
            await _print_latencies(f"{size}, pgvector", caller, self.index, self.queries, searches)
            await asyncio.sleep(STATISTICS_SECONDS)
            after = await connection.fetch(_SCANS)
            scans = (f"{new[0]} {new[1] - old[1]}" for old, new in zip(before, after, strict=True))
            print(f"scans in {searches + WARMING} searches: {', '.join(scans)}", flush=True)
        print(f"Postgres holds {_server_mib(self.server.pid):.0f} MiB", flush=True)
        await connection.close()
        if size <= EDGE_MAX and self.entries:
            await self._measure_engine(size, searches)

    async def _measure_engine(self, size: int, searches: int) -> None:
        resident, begun = _resident_mib(), time.perf_counter()
        folder = self.folder / f"edge-{size}"
        engine = EdgeIndex(folder, self.embedder.dimensions)
        for batch in _batches(_synthetic(self.entries, size), size):
            for labels, entries in _by_labels(batch):
                await engine.replace(uuid4(), labels, entries)
        engine.optimize()
        print(
            f"{size} passages in Qdrant's engine: filled in {time.perf_counter() - begun:.0f} s,"
            f" {_folder_mib(folder):.0f} MiB on disk, {_resident_mib() - resident:.0f} MiB resident",
            flush=True,
        )
        for caller in CALLERS:
            name = f"{size}, Qdrant's engine"
            await _print_latencies(name, caller, engine, self.queries, searches)
        shutil.rmtree(folder)


async def _print_latencies(
    name: str,
    caller: str,
    index: PassageIndex | EdgeIndex,
    queries: Sequence[Query],
    searches: int,
) -> None:
    times = []
    for number in range(searches + WARMING):
        begun = time.perf_counter()
        await index.search(queries[number % len(queries)], CALLERS[caller], FOUND)
        times.append((time.perf_counter() - begun) * 1000)
    warm = times[WARMING:]
    print(f"| {name} | {caller} | {_of(warm, 0.5)} | {_of(warm, 0.95)} |", flush=True)


def _synthetic(entries: Sequence[IndexEntry], size: int) -> Iterator[tuple[str, IndexEntry]]:
    """Yields passages between two of the collection: with terms of both, and a vector between theirs."""
    chance = random.Random(size)
    noise = np.random.default_rng(size)
    for number in range(size):
        one, other = chance.choice(entries), chance.choice(entries)
        mixed = np.asarray(one.dense) * chance.random() + np.asarray(other.dense) * chance.random()
        mixed = mixed / np.linalg.norm(mixed) + noise.normal(0, 0.02, len(mixed))
        terms = {
            term: weight
            for each in (one, other)
            for term, weight in each.terms.items()
            if chance.random() < 0.5
        }
        label = EVERYONE[0] if number % 2 else f"user:{chance.randrange(OWNERS // 2)}"
        yield label, IndexEntry(uuid4(), (mixed / np.linalg.norm(mixed)).tolist(), terms or dict(one.terms))


async def _fill(connection: asyncpg.Connection, entries: Sequence[IndexEntry], size: int, model: str) -> None:
    for kind, encode in (("halfvec", _halfvec), ("sparsevec", _sparsevec)):
        await connection.set_type_codec(
            kind, schema="knowledge", encoder=encode, decoder=bytes, format="binary"
        )
    await connection.execute("SET search_path = knowledge; " + _DROP)
    begun = time.perf_counter()
    for batch in _batches(_synthetic(entries, size), size):
        await connection.copy_records_to_table(
            "indexed_passages",
            schema_name="knowledge",
            columns=[
                "passage_id",
                "document_id",
                "labels",
                "model",
                "dimensions",
                "dense",
                "terms",
                "term_ids",
            ],
            records=[_row(label, entry, model) for label, entry in batch],
        )
    print(f"rows in {time.perf_counter() - begun:.0f} s, the indexes follow", flush=True)
    for statement in _BUILD:
        begun = time.perf_counter()
        await connection.execute(statement, timeout=7200)
        words = " ".join(statement.split()[:3])
        print(f"{words}: {time.perf_counter() - begun:.0f} s", flush=True)


def _row(label: str, entry: IndexEntry, model: str) -> tuple[object, ...]:
    document_id: UUID = uuid4()
    assert entry.dense is not None
    terms = dict(sorted(entry.terms.items()))
    return entry.passage_id, document_id, [label], model, len(entry.dense), entry.dense, terms, list(terms)


def _halfvec(vector: Sequence[float]) -> bytes:
    return struct.pack(">HH", len(vector), 0) + np.asarray(vector, dtype=">f2").tobytes()


def _sparsevec(terms: dict[int, float]) -> bytes:
    ids = np.asarray([term - 1 for term in terms], dtype=">i4")
    values = np.asarray(list(terms.values()), dtype=">f4")
    return struct.pack(">iii", TERM_ID_MAX, len(terms), 0) + ids.tobytes() + values.tobytes()


def _batches(passages: Iterator[tuple[str, IndexEntry]], size: int) -> Iterator[list[tuple[str, IndexEntry]]]:
    for _ in range(0, size, BATCH):
        yield [passage for _, passage in zip(range(BATCH), passages, strict=False)]


def _by_labels(batch: Sequence[tuple[str, IndexEntry]]) -> Iterator[tuple[list[str], list[IndexEntry]]]:
    found: dict[str, list[IndexEntry]] = {}
    for label, entry in batch:
        found.setdefault(label, []).append(entry)
    yield from (([label], entries) for label, entries in found.items())


def _of(times: Sequence[float], share: float) -> str:
    return f"{quantile(sorted(times), share):.1f}"


def _server_mib(pid: int | None) -> float:
    """Returns what a process and its children hold, shared memory counted once."""
    assert pid is not None
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    proportional = 0
    for each in (str(pid), *children):
        lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        proportional += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return proportional / 1024


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def _folder_mib(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20

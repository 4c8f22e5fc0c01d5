"""How well and how fast passages are found: `make bench-knowledge ARGS="--data FOLDER"`.

FOLDER has `documents.jsonl.gz` (`{"id", "text"}`; a text is `Question: …`, a blank line, `Answer: …`) and
`questions.jsonl` (`{"question", "relevant": {id: grade}}`). The figures in docs/retrieval.md are of answers
of MedQuAD (github.com/abachaa/MedQuAD, CC BY 4.0), with the grades that they have there for questions of the
TREC 2017 LiveQA medical task (github.com/abachaa/LiveQA_MedicalTask_TREC2017). This repository has neither.

First the quality of each way to search and the speed of indexing, then latency and memory with more passages,
which are made by mixing those of the collection. With `--keep FOLDER` the filled servers stay there, and
`--no-quality --keep FOLDER` measures them again without filling them.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from uuid import UUID, uuid4

import bm25s
import Stemmer
from chassis.postgres.pool import Pool, open_pool
from devstack.database import Database
from devstack.postgres import Postgres
from devstack.topology import BY_NAME
from knowledge_service.adapters.onnx_embedder import OnnxEmbedder
from knowledge_service.adapters.postgres.pgvector_index import PgvectorIndex
from knowledge_service.domain.chunking import chunks
from knowledge_service.domain.passage_index import IndexEntry, PassageIndex, Query
from knowledge_service.domain.term_weights import TermWeights

from bench import knowledge_scale
from bench.knowledge_data import DEPTH, Document, Question, gain, load, recall
from bench.knowledge_edge import EdgeIndex

LABELS = ("everyone",)
PASSAGES_MAX = 100
"""How many passages are asked for, so that ten documents are among them."""


@dataclass(frozen=True, slots=True)
class Graded:
    """The graded collection, with its questions as queries."""

    documents: Sequence[Document]
    questions: Sequence[Question]
    queries: Sequence[Query]


@dataclass(frozen=True, slots=True)
class Collection:
    """The passages of all documents."""

    entries: dict[UUID, list[IndexEntry]]
    document_of: dict[UUID, UUID]


async def embed(documents: Sequence[Document], embedder: OnnxEmbedder, weights: TermWeights) -> Collection:
    """Cuts, weighs and embeds the documents, as the service does, and prints how fast."""
    begun = time.process_time()
    entries: dict[UUID, list[IndexEntry]] = {}
    document_of: dict[UUID, UUID] = {}
    for document in documents:
        cut = [each.in_context(document.title) for each in chunks(document.text)]
        vectors = await embedder.embed_passages(cut)
        entries[document.id] = [
            IndexEntry(uuid4(), vector, weights.of_passage(text, title=document.title))
            for text, vector in zip(cut, vectors, strict=True)
        ]
        document_of |= {entry.passage_id: document.id for entry in entries[document.id]}
    seconds = time.process_time() - begun
    print(
        f"{len(entries)} documents, {len(document_of)} passages; cut, weighed and embedded:"
        f" {len(entries) / seconds:.1f} documents, {len(document_of) / seconds:.1f} passages per second of"
        " CPU time",
        flush=True,
    )
    return Collection(entries, document_of)


async def ranked(index: PassageIndex | EdgeIndex, query: Query, collection: Collection) -> list[UUID]:
    """Returns documents by their best passage."""
    hits = (await index.search(query, LABELS, PASSAGES_MAX)).hits
    return list(dict.fromkeys(collection.document_of[hit.passage_id] for hit in hits))[:DEPTH]


def bm25(documents: Sequence[Document], questions: Sequence[Question]) -> list[list[UUID]]:
    """Returns what `bm25s` finds in whole documents, with English stemming and stop words."""

    def tokens(texts: list[str]) -> object:
        return bm25s.tokenize(texts, stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False)

    retriever = bm25s.BM25()
    texts = [f"Question: {each.title}\n\nAnswer: {each.text}" for each in documents]
    retriever.index(tokens(texts), show_progress=False)
    found, _ = retriever.retrieve(tokens([each.text for each in questions]), k=DEPTH, show_progress=False)
    return [[documents[number].id for number in row] for row in found]


@asynccontextmanager
async def postgres(
    folder: Path, settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[tuple[Pool, Postgres]]:
    """Runs a Postgres with the service's schema; yields the service's pool and the server."""
    service = BY_NAME["knowledge-service"]
    passwords = {role: f"{role}-password" for role in Database.role_names()}
    server = Postgres(folder, settings=dict(settings))
    server.start()
    try:
        database = Database(server.url(), passwords, services=[service])
        await database.provision()
        await database.migrate(service)
        url = database.url("knowledge_service")
        async with open_pool(url, application_name="bench", max_size=4) as pool:
            yield pool, server
    finally:
        server.stop()


async def store(collection: Collection, indexes: Mapping[str, PassageIndex | EdgeIndex]) -> None:
    """Fills the indexes and prints how fast."""
    for name, index in indexes.items():
        begun = time.perf_counter()
        for document_id, entries in collection.entries.items():
            await index.replace(document_id, LABELS, entries)
        seconds = time.perf_counter() - begun
        print(f"{name}: {len(collection.entries) / seconds:.0f} documents per second stored", flush=True)


async def search(
    queries: Sequence[Query],
    collection: Collection,
    indexes: Mapping[str, PassageIndex | EdgeIndex],
) -> dict[str, list[list[UUID]]]:
    """Returns what each index finds for each question, by terms, by meaning, and by both."""
    return {
        f"{way}, {name}": [
            await ranked(index, Query(each.dense if dense else None, each.terms if terms else {}), collection)
            for each in queries
        ]
        for way, dense, terms in (("terms", False, True), ("meaning", True, False), ("hybrid", True, True))
        for name, index in indexes.items()
    }


def print_quality(questions: Sequence[Question], rankings: Mapping[str, list[list[UUID]]]) -> None:
    """Prints nDCG@10 and recall@10; the parameters of the searches were chosen on every other question."""
    print("| | nDCG@10 | to BM25 | chosen on | others | recall@10 |\n|---|---|---|---|---|---|")
    first = None
    for name, found in rankings.items():
        gains = [gain(ranking, each) for ranking, each in zip(found, questions, strict=True)]
        recalls = [recall(ranking, each) for ranking, each in zip(found, questions, strict=True)]
        mean = statistics.fmean(gains)
        first = first or mean
        halves = " | ".join(f"{statistics.fmean(gains[half::2]):.3f}" for half in (0, 1))
        print(f"| {name} | {mean:.3f} | {mean / first:.2f} | {halves} | {statistics.fmean(recalls):.3f} |")


async def measure_quality(
    folder: Path, collection: Collection, embedder: OnnxEmbedder, graded: Graded
) -> None:
    """Prints how fast the collection is stored, and how well its questions are answered."""
    async with postgres(folder / "postgres") as (pool, _):
        indexes: dict[str, PassageIndex | EdgeIndex] = {
            "pgvector": PgvectorIndex(pool, model=embedder.model, dimensions=embedder.dimensions),
            "Qdrant's engine": EdgeIndex(folder / "edge", embedder.dimensions),
        }
        await store(collection, indexes)
        rankings = {"BM25 of whole documents (`bm25s`)": bm25(graded.documents, graded.questions)}
        print_quality(graded.questions, rankings | await search(graded.queries, collection, indexes))


async def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the graded collection")
    parser.add_argument("--threads", type=int, default=1, help="threads of the embedding model")
    parser.add_argument(
        "--passages", type=int, nargs="*", default=[1_000, 100_000], help="sizes for latency, as 1000000"
    )
    parser.add_argument("--searches", type=int, default=200, help="searches per size")
    parser.add_argument("--keep", type=Path, help="a folder for the filled servers, which stay")
    parser.add_argument("--no-quality", action="store_true", help="measure latency and memory only")
    parser.add_argument("--shared-buffers", default="512MB", help="Postgres' memory, as 4GB")
    arguments = parser.parse_args()
    documents, questions = load(arguments.data)
    print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
    embedder, weights = OnnxEmbedder(threads=arguments.threads), TermWeights(b"bench")
    queries = [
        Query(await embedder.embed_query(each.text), weights.of_query(each.text)) for each in questions
    ]
    await knowledge_scale.measure_query(embedder, [each.text for each in questions])
    with tempfile.TemporaryDirectory() as scratch:
        folder: Path = arguments.keep or Path(scratch)
        collection = Collection({}, {})
        if not arguments.no_quality or any(
            not knowledge_scale.is_filled(folder, n) for n in arguments.passages
        ):
            collection = await embed(documents, embedder, weights)
        if not arguments.no_quality:
            await measure_quality(Path(scratch), collection, embedder, Graded(documents, questions, queries))
        settings = knowledge_scale.SETTINGS | {"shared_buffers": arguments.shared_buffers}
        entries = [entry for each in collection.entries.values() for entry in each]
        for size in arguments.passages:
            async with postgres(knowledge_scale.folder_of(folder, size), settings) as (pool, server):
                index = PgvectorIndex(pool, model=embedder.model, dimensions=embedder.dimensions)
                scale = knowledge_scale.Scale(index, embedder, server, folder, entries, queries)
                await scale.measure(size, arguments.searches)
    embedder.close()
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    asyncio.run(main())

"""Retrieval as a whole: cut, embedded by a real model, indexed, found."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from knowledge_service.adapters.onnx_embedder import OnnxEmbedder
from knowledge_service.domain.chunking import chunks
from knowledge_service.domain.passage_index import IndexEntry, Query
from knowledge_service.domain.term_weights import TermWeights

from tests.knowledge_service.adapters.conftest import IndexOf
from tests.knowledge_service.collection import DOCUMENTS, QUESTIONS

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

WEIGHTS = TermWeights(b"key of the tests")


@pytest.mark.parametrize("dimensions", [OnnxEmbedder.dimensions])
async def test_the_best_document_is_found_by_words_and_meaning(open_index: IndexOf) -> None:
    """Both together find more first than each alone: words know names, meaning knows synonyms."""
    embedder = OnnxEmbedder()
    index = open_index(embedder.model)
    titles: dict[UUID, str] = {}
    for title, text in DOCUMENTS.items():
        (cut,) = chunks(text)
        (vector,) = await embedder.embed_passages([cut.in_context(title)])
        terms = WEIGHTS.of_passage(cut.in_context(title), title=title)
        entry = IndexEntry(uuid4(), vector, terms)
        titles[entry.passage_id] = title
        await index.replace(uuid4(), ["everyone"], [entry])
    queries = {text: Query(await embedder.embed_query(text), WEIGHTS.of_query(text)) for text in QUESTIONS}
    embedder.close()

    async def rank(of: Callable[[Query], Query]) -> float:
        """Returns the mean reciprocal rank of the best document."""
        ranks: dict[str, float] = {}
        for text, query in queries.items():
            hits = (await index.search(of(query), ["everyone"], 10)).hits
            places = enumerate((titles[hit.passage_id] for hit in hits), start=1)
            ranks[text] = next((1 / place for place, title in places if title == QUESTIONS[text]), 0.0)
        return sum(ranks.values()) / len(ranks)

    both = await rank(lambda query: query)
    words = await rank(lambda query: Query(None, query.terms))
    meaning = await rank(lambda query: Query(query.dense, {}))
    assert both >= 0.85
    assert both >= max(words, meaning) - 0.02
    assert words >= 0.5

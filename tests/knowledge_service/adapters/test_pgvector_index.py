"""What the index in Postgres has to keep right besides the contract."""

import asyncio
import random
from uuid import uuid4

import pytest
from chassis.postgres.pool import Pool
from knowledge_service.adapters.postgres.pgvector_index import PgvectorIndex
from knowledge_service.domain.passage_index import IndexEntry

from tests.knowledge_service.adapters.test_passage_index import asking, direction, entry, found

_RECOUNT = """
SELECT term_id, count(*)::int FROM (
    SELECT unnest(term_ids) AS term_id FROM knowledge.indexed_passages
    UNION ALL SELECT 0 FROM knowledge.indexed_passages
) AS each GROUP BY term_id
"""


@pytest.fixture(name="index")
async def _index(knowledge_pool: Pool) -> PgvectorIndex:
    return PgvectorIndex(knowledge_pool, model="m1", dimensions=256)


async def test_counts_stay_right_under_concurrent_changes(index: PgvectorIndex, knowledge_pool: Pool) -> None:
    """Ten changes at a time, some of the same document: no deadlock, and counts as if counted again."""
    chance = random.Random(3)
    documents = [uuid4() for _ in range(5)]

    async def change(number: int) -> None:
        document_id = chance.choice(documents)
        if number % 4 == 0:
            await index.remove(document_id)
        else:
            words = " ".join(chance.choices(["fever", "cough", "rash", "pain", "ache"], k=3))
            await index.replace(document_id, ["everyone"], [entry(words), entry(words + " fever")])

    for _ in range(6):
        await asyncio.gather(*(change(number) for number in range(10)))

    entries = await knowledge_pool.fetch("SELECT document_id FROM knowledge.indexed_passages")
    counts = await knowledge_pool.fetch(
        "SELECT term_id, passages FROM knowledge.term_counts WHERE passages <> 0"
    )
    assert len(entries) == 2 * len({row["document_id"] for row in entries})
    assert dict(map(tuple, counts)) == dict(map(tuple, await knowledge_pool.fetch(_RECOUNT)))


async def test_refuses_vectors_of_another_length(index: PgvectorIndex, knowledge_pool: Pool) -> None:
    """That would be a bug of the caller, and would be found nowhere."""
    with pytest.raises(ValueError, match="length 2"):
        await index.replace(uuid4(), ["everyone"], [IndexEntry(uuid4(), [1.0, 0.0], {1: 1.0})])
    with pytest.raises(ValueError, match="length 5"):
        PgvectorIndex(knowledge_pool, model="m", dimensions=5)


async def test_terms_are_stored_hashed(index: PgvectorIndex, knowledge_pool: Pool) -> None:
    """No column has a word of the text."""
    await index.replace(uuid4(), ["everyone"], [entry("zolmitriptan", direction(1))])

    assert "zolmitriptan" not in str(await knowledge_pool.fetch("SELECT * FROM knowledge.indexed_passages"))
    assert len(await found(index, asking("zolmitriptan"))) == 1

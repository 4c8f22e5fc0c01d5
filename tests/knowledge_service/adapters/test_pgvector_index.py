"""What the index in Postgres has to keep right besides the contract."""

import asyncio
import math
import random
from uuid import uuid4

import asyncpg
import pytest
from chassis.errors import Unavailable
from chassis.postgres.pool import Pool, open_pool
from chassis.startup_errors import StartupRefused
from devstack.database import Database
from knowledge_service.adapters.postgres import pgvector_index, term_ranking
from knowledge_service.adapters.postgres.pgvector_index import PgvectorIndex, require_extension
from knowledge_service.domain.passage_index import IndexEntry, Query

from tests.knowledge_service.adapters.test_passage_index import asking, direction, entry, found

_SCANS = """
SELECT relname AS name, seq_scan AS scans FROM pg_stat_user_tables WHERE relname = 'indexed_passages'
UNION ALL
SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE relname = 'indexed_passages'
"""

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


@pytest.mark.nightly
async def test_searches_use_the_indexes_of_postgres(database: Database) -> None:
    """As Postgres counts them, at some thousands of passages: no search reads the whole table."""
    chance = random.Random(5)
    words = [f"word{number}" for number in range(500)]
    async with open_pool(database.url("knowledge_service"), application_name="test", max_size=1) as pool:
        index = PgvectorIndex(pool, model="m1", dimensions=256)
        for number in range(48):
            passages = [entry(" ".join(chance.choices(words, k=8)), _vector(chance)) for _ in range(100)]
            await index.replace(uuid4(), ["everyone" if number % 2 else f"user:{number}"], passages)
        owner = await asyncpg.connect(database.url("knowledge_owner"))
        await owner.execute("ANALYZE knowledge.indexed_passages")
        await owner.close()

        async def scans(labels: list[str]) -> dict[str, int]:
            """Returns the scans of one search."""
            before = await _scans(pool)
            query = Query(_vector(chance), dict.fromkeys(entry("word7 word8").terms, 1.0))
            assert len((await index.search(query, labels, 50)).hits) == 50
            after = await _scans(pool)
            return {name: after[name] - before[name] for name in after if after[name] > before[name]}

        for labels in (["everyone"], ["user:4"]):
            used = await scans(labels)
            assert "indexed_passages" not in used, used


async def _scans(pool: Pool) -> dict[str, int]:
    await pool.fetchval("SELECT pg_stat_force_next_flush()")
    return {row["name"]: row["scans"] for row in await pool.fetch(_SCANS)}


def _vector(chance: random.Random) -> list[float]:
    values = [chance.gauss(0, 1) for _ in range(256)]
    length = math.hypot(*values)
    return [value / length for value in values]


async def test_the_graph_finds_what_is_nearest(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Almost all of what a comparison with every passage finds, also where a half belongs to others.

    A busy machine may take longer than a ranking may, which is then left out.
    """
    patient = "set_config('enable_bitmapscan', 'off', true), set_config('statement_timeout', '60000', true)"
    monkeypatch.setattr(pgvector_index, "_SETTINGS", f"{pgvector_index._SETTINGS}, {patient}")
    chance, shares = random.Random(11), []
    async with open_pool(database.url("knowledge_service"), application_name="test", max_size=1) as pool:
        index = PgvectorIndex(pool, model="m1", dimensions=256)
        mine = [entry("fever", _vector(chance)) for _ in range(600)]
        await index.replace(uuid4(), ["user:a"], mine)
        await index.replace(uuid4(), ["user:b"], [entry("fever", _vector(chance)) for _ in range(600)])
        before = await _scans(pool)
        for _ in range(10):
            asked = _vector(chance)

            def nearness(each: IndexEntry, to: list[float] = asked) -> float:
                assert each.dense is not None
                return -sum(a * b for a, b in zip(each.dense, to, strict=True))

            nearest = [each.passage_id for each in sorted(mine, key=nearness)[:10]]
            shares.append(len(set(nearest) & set(await found(index, asking(dense=asked), ["user:a"]))) / 10)
        scanned = (await _scans(pool))["indexed_passages_by_meaning_256"]

    assert scanned - before["indexed_passages_by_meaning_256"] == 10
    assert sum(shares) / len(shares) >= 0.95


@pytest.mark.parametrize("words", ["fever cough", "fever cough rash"])
async def test_common_words_choose_what_has_several(
    index: PgvectorIndex, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """Not any passages that have one of them: those are too many to be scored."""
    monkeypatch.setattr(term_ranking, "CANDIDATES_MAX", 20)
    for word in words.split():
        await index.replace(uuid4(), ["everyone"], [entry(f"{word} and more") for _ in range(60)])
    several = [entry(words) for _ in range(3)]
    await index.replace(uuid4(), ["everyone"], several)

    best = await found(index, asking(words))

    assert set(best[:3]) == {each.passage_id for each in several}
    assert len(best) == 10


async def test_a_ranking_that_takes_too_long_is_left_out(
    index: PgvectorIndex, knowledge_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search says so, and fails only when it has neither ranking."""
    await index.replace(uuid4(), ["everyone"], [both := entry("fever", direction(1))])
    await index.replace(uuid4(), ["everyone"], [entry("cough", direction(1)), entry("fever")])
    monkeypatch.setattr(pgvector_index, "_SETTINGS", "SELECT set_config('statement_timeout', '300', true)")
    async with knowledge_pool.transaction() as holding:
        await holding.execute("LOCK TABLE knowledge.term_counts")
        by_meaning = await index.search(asking("fever", direction(1)), ["everyone"], 10)
        with pytest.raises(Unavailable):
            await index.search(asking("fever"), ["everyone"], 10)
    assert (by_meaning.is_whole, len(by_meaning.hits)) == (False, 2)

    slow = "SELECT gen_random_uuid() AS passage_id, pg_sleep(9), $1::text, $2::text[], $3::text, $4::int"
    monkeypatch.setattr(pgvector_index, "_nearest", lambda *_, **__: slow)
    by_terms = await index.search(asking("fever", direction(1)), ["everyone"], 10)
    assert not by_terms.is_whole
    assert both.passage_id in {hit.passage_id for hit in by_terms.hits}
    with pytest.raises(Unavailable):
        await index.search(asking(dense=direction(1)), ["everyone"], 10)


async def test_without_the_extension(database: Database) -> None:
    """The service does not start, and says what to do; installed later, the extension is used."""
    admin = await asyncpg.connect(database.admin_url)
    async with open_pool(database.url("knowledge_service"), application_name="test", max_size=3) as pool:
        try:
            await require_extension(pool)
            await admin.execute("DROP EXTENSION vector CASCADE")
            with pytest.raises(StartupRefused, match=r"`vector`.*is missing.*CREATE EXTENSION.*QDRANT_URL"):
                await require_extension(pool)

            # As it is where the extension was missing when the migrations ran.
            await admin.execute("DROP TABLE knowledge.indexed_passages, knowledge.term_counts")
            await admin.execute("CREATE EXTENSION vector WITH SCHEMA knowledge")
            await asyncio.gather(*(require_extension(pool) for _ in range(3)))
        finally:
            await admin.close()
        index = PgvectorIndex(pool, model="m1", dimensions=256)
        await index.replace(uuid4(), ["everyone"], [entry("fever", direction(1))])
        assert len(await found(index, asking("fever"))) == 1


async def test_an_extension_that_is_too_old(knowledge_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused by its version."""
    monkeypatch.setattr(pgvector_index, "EXTENSION_VERSION", (99, 0))

    with pytest.raises(StartupRefused, match=r"99\.0 or later.*is too old"):
        await require_extension(knowledge_pool)

"""What every index promises: the contract of `PassageIndex`, run on each adapter."""

import random
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from knowledge_service.domain.passage_index import IndexEntry, PassageIndex, Query
from knowledge_service.domain.term_weights import TermWeights

from tests.knowledge_service.adapters.conftest import DIMENSIONS, IndexOf

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

WEIGHTS = TermWeights(b"key of the tests")


def direction(*parts: float) -> list[float]:
    """A vector of length 1 with these first components."""
    length = sum(part * part for part in parts) ** 0.5
    return [part / length for part in parts] + [0.0] * (DIMENSIONS - len(parts))


def entry(text: str, dense: list[float] | None = None) -> IndexEntry:
    """An entry with the terms of a text."""
    return IndexEntry(uuid4(), dense, WEIGHTS.of_passage(text))


def asking(text: str = "", dense: list[float] | None = None) -> Query:
    """A query with the terms of a text."""
    return Query(dense, WEIGHTS.of_query(text))


async def found(
    index: PassageIndex, query: Query, labels: Sequence[str] = ("everyone",), limit: int = 10
) -> list[UUID]:
    """The ids that a search returns, best first."""
    result = await index.search(query, labels, limit)
    assert result.is_whole
    hits = result.hits
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    return [hit.passage_id for hit in hits]


async def test_finds_by_terms_by_meaning_and_by_both(index: PassageIndex) -> None:
    """What both rankings have comes before what one of them has."""
    by_terms = entry("fever in children", direction(0, 1))
    by_meaning = entry("high temperature", direction(1, 0.1))
    by_both = entry("fever", direction(1, 0.2))
    await index.replace(uuid4(), ["everyone"], [by_terms, by_meaning, by_both, entry("broken leg")])

    assert await found(index, asking("fever")) == [by_both.passage_id, by_terms.passage_id]
    assert (await found(index, asking(dense=direction(1))))[:2] == [by_meaning.passage_id, by_both.passage_id]
    assert (await found(index, asking("fever", direction(1))))[0] == by_both.passage_id
    assert len(await found(index, asking("fever", direction(1)), limit=1)) == 1


async def test_finds_nothing_in_an_empty_index_or_by_an_empty_query(index: PassageIndex) -> None:
    """A query of nothing but stop words has no terms, and without an embedder no vector either."""
    assert await found(index, asking("fever", direction(1))) == []

    await index.replace(uuid4(), ["everyone"], [entry("fever", direction(1))])

    assert await found(index, asking()) == []
    assert await found(index, asking("unknown")) == []


async def test_labels_decide_who_finds_what(index: PassageIndex) -> None:
    """One label in common is needed, and enough."""
    mine, shared = entry("fever", direction(1)), entry("fever", direction(1))
    await index.replace(uuid4(), ["user:a"], [mine])
    await index.replace(uuid4(), ["user:b", "role:user"], [shared])
    query = asking("fever", direction(1))

    assert await found(index, query, ["user:a"]) == [mine.passage_id]
    assert set(await found(index, query, ["user:a", "role:user"])) == {mine.passage_id, shared.passage_id}
    assert await found(index, query, ["user:c", "role:admin"]) == []
    assert await found(index, query, []) == []


async def test_replaced_entries_are_gone(index: PassageIndex) -> None:
    """Also those that the new version of the document has not."""
    document_id, new = uuid4(), entry("cough", direction(0, 1))
    await index.replace(document_id, ["everyone"], [entry("fever", direction(1)), entry("fever")])
    await index.replace(document_id, ["everyone"], [new])

    assert await found(index, asking("fever")) == []
    assert await found(index, asking("cough", direction(1))) == [new.passage_id]

    await index.replace(document_id, ["everyone"], [])

    assert await found(index, asking("cough", direction(1))) == []


async def test_relabelled_and_removed_documents(index: PassageIndex) -> None:
    """Both take effect at once; what is not there is left out silently."""
    document_id, each = uuid4(), entry("fever", direction(1))
    await index.replace(document_id, ["user:a"], [each])
    await index.relabel(document_id, ["user:a", "role:admin"])
    await index.relabel(uuid4(), ["everyone"])

    assert await found(index, asking("fever", direction(1)), ["role:admin"]) == [each.passage_id]

    await index.remove(document_id)
    await index.remove(document_id)

    assert await found(index, asking("fever", direction(1)), ["user:a"]) == []


async def test_vectors_of_another_model_are_not_compared(open_index: IndexOf) -> None:
    """They are found by their terms until they are embedded again."""
    before, after = open_index("m1"), open_index("m2")
    document_id, old = uuid4(), entry("fever", direction(1))
    await before.replace(document_id, ["everyone"], [old])

    assert await found(after, asking(dense=direction(1))) == []
    assert await found(after, asking("fever", direction(1))) == [old.passage_id]

    await after.replace(document_id, ["everyone"], [old])

    assert await found(after, asking(dense=direction(1))) == [old.passage_id]


async def test_an_entry_without_a_vector_is_found_by_terms(index: PassageIndex) -> None:
    """It was indexed while the embedder was unavailable."""
    plain = entry("fever")
    await index.replace(uuid4(), ["everyone"], [plain])

    assert await found(index, asking("fever", direction(1))) == [plain.passage_id]
    assert await found(index, asking(dense=direction(1))) == []


async def test_rare_terms_count_for_more(index: PassageIndex) -> None:
    """And counts follow what is removed."""
    common, rare = entry("disease disease"), entry("zolmitriptan")
    document_id = uuid4()
    await index.replace(document_id, ["everyone"], [entry("disease and more") for _ in range(20)])
    await index.replace(uuid4(), ["everyone"], [common, rare])

    assert (await found(index, asking("zolmitriptan disease")))[0] == rare.passage_id

    await index.remove(document_id)

    assert (await found(index, asking("zolmitriptan disease")))[0] == common.passage_id


async def test_a_filter_loses_no_hits(index: PassageIndex) -> None:
    """A graph is searched past all the passages that are nearer but of other users."""
    near = [entry("fever", direction(1, number / 10_000)) for number in range(600)]
    far = [entry("fever", direction(1, 5 + number)) for number in range(3)]
    await index.replace(uuid4(), ["user:other"], near)
    await index.replace(uuid4(), ["user:a"], far)

    assert await found(index, asking(dense=direction(1)), ["user:a"]) == [each.passage_id for each in far]
    assert set(await found(index, asking("fever"), ["user:a"])) == {each.passage_id for each in far}


async def test_no_foreign_passage_after_any_changes(index: PassageIndex) -> None:
    """After random replacements, shares and removals, callers find all that they see and nothing else."""
    chance = random.Random(7)
    documents = [uuid4() for _ in range(12)]
    labels = ["user:a", "user:b", "role:user", "role:admin", "everyone"]
    visible: dict[UUID, tuple[list[str], list[UUID]]] = {}
    for _ in range(80):
        document_id, shared = chance.choice(documents), chance.sample(labels, chance.randint(1, 2))
        match chance.choice(["replace", "replace", "relabel", "remove"]):
            case "replace":
                dense = direction(chance.random(), chance.random())
                entries = [entry("fever", chance.choice([dense, None])) for _ in range(chance.randint(0, 4))]
                await index.replace(document_id, shared, entries)
                visible[document_id] = (shared, [each.passage_id for each in entries])
            case "relabel":
                await index.relabel(document_id, shared)
                if document_id in visible:
                    visible[document_id] = (shared, visible[document_id][1])
            case "remove":
                await index.remove(document_id)
                visible.pop(document_id, None)

    for held in ([], ["user:a"], ["user:b", "everyone"], ["role:user", "user:c"], labels):
        expected = {
            each for shared, passages in visible.values() if set(shared) & set(held) for each in passages
        }
        assert set(await found(index, asking("fever", direction(1)), held, limit=100)) == expected

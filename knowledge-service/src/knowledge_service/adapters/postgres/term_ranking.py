"""Ranking passages by their terms, as BM25 does: `knowledge.term_counts`."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from uuid import UUID

from chassis.postgres.connection import Connection

from knowledge_service.domain.term_weights import TERM_ID_MAX, SparseVector

CANDIDATES_MAX = 10_000
"""Most passages that are scored by terms; beyond, a query's commonest terms choose none any more."""

ANY_OF, ALL_OF = "&&", "@>"
"""How an array of terms has to match."""

ALL_PASSAGES = 0
"""The row of `knowledge.term_counts` that counts all passages; terms have ids from 1."""


async def by_terms(
    connection: Connection, counts: SparseVector, labels: Collection[str], depth: int
) -> list[UUID]:
    """Returns the passages with the greatest weight of a question's terms, best first.

    Args:
        connection: A connection to Postgres.
        counts: The terms, and how often the question has each.
        labels: A passage has at least one of them.
        depth: How many passages.
    """
    rows = await connection.fetch(
        "SELECT term_id, passages FROM knowledge.term_counts WHERE term_id = ANY($1::int[])",
        [ALL_PASSAGES, *counts],
    )
    passages = {row["term_id"]: row["passages"] for row in rows}
    total = passages.pop(ALL_PASSAGES, 0)
    if not passages:
        return []
    weights = {term: counts[term] * _inverse_frequency(total, passages[term]) for term in passages}
    best: dict[UUID, None] = {}
    for terms, operator in _choices(passages, total):
        rows = await connection.fetch(_best_by_terms(operator), terms, list(labels), sparse(weights), depth)
        best |= dict.fromkeys(row["passage_id"] for row in rows)
        if len(best) >= depth:
            break
    return list(best)[:depth]


def _best_by_terms(operator: str) -> str:
    # The limit only matters where a term alone chooses more, and then it ranks passages badly.
    return f"""
        WITH candidates AS MATERIALIZED (
            SELECT passage_id, terms FROM knowledge.indexed_passages
            WHERE term_ids {operator} $1::int[] AND labels && $2 LIMIT {CANDIDATES_MAX}
        )
        SELECT passage_id FROM candidates ORDER BY terms <#> $3::text::sparsevec, passage_id LIMIT $4
    """  # noqa: S608 of constants


def _choices(passages: Mapping[int, int], total: int) -> Iterator[tuple[list[int], str]]:
    """Yields terms and how they choose the passages to score: few enough, and the best first.

    Any of the rarest terms is enough, as many of them as possible. Where the rarest alone is in too many
    passages, those that have the next rarest as well come first.
    """
    terms = sorted(passages, key=passages.__getitem__)
    if passages[terms[0]] <= CANDIDATES_MAX:
        sums = accumulate(passages[term] for term in terms)
        yield [term for term, count in zip(terms, sums, strict=True) if count <= CANDIDATES_MAX], ANY_OF
        return
    expected, number = float(passages[terms[0]]), 1
    while expected > CANDIDATES_MAX and number < len(terms):
        expected *= passages[terms[number]] / total
        number += 1
    for count in range(number, 0, -1):
        yield terms[:count], ALL_OF


def _inverse_frequency(total: int, having: int) -> float:
    """Returns BM25's inverse document frequency."""
    return math.log(1 + max(0.0, total - having + 0.5) / (having + 0.5))


async def count_terms(
    connection: Connection, before: Sequence[Collection[int]], after: Sequence[Collection[int]]
) -> None:
    """Brings the number of passages of each term up to date; last, since others wait for these rows."""
    changes = {ALL_PASSAGES: len(after) - len(before)}
    for change, passages in ((-1, before), (1, after)):
        for terms in passages:
            for term in terms:
                changes[term] = changes.get(term, 0) + change
    changed = sorted(term for term, change in changes.items() if change)
    await connection.execute(
        """
        INSERT INTO knowledge.term_counts (term_id, passages)
        SELECT * FROM unnest($1::int[], $2::int[]) AS change (term_id, passages) ORDER BY term_id
        ON CONFLICT (term_id) DO UPDATE SET passages = term_counts.passages + excluded.passages
        """,
        changed,
        [changes[term] for term in changed],
    )
    await connection.execute(
        "DELETE FROM knowledge.term_counts WHERE term_id = ANY($1::int[]) AND passages <= 0",
        [term for term in changed if changes[term] < 0],
    )


def sparse(vector: SparseVector) -> str:
    """Returns a vector as pgvector's `sparsevec` is written."""
    values = ",".join(f"{term}:{vector[term]:.6g}" for term in sorted(vector))
    return f"{{{values}}}/{TERM_ID_MAX}"

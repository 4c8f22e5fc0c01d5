"""The port to the index: finds passages by meaning and by terms among those that a caller may see.

It holds ids, vectors and access labels, no text, and can be rebuilt from Postgres at any time.
"""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass

from knowledge_service.domain.embedder import Vector
from knowledge_service.domain.term_weights import SparseVector

DIMENSIONS = (256, 384, 512, 768, 1024, 1536, 3072)
"""Lengths of dense vectors that an index can hold: those of the usual models."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A passage to be found.

    Attributes:
        dense: Its vector by the index's model; None when the embedder was unavailable.
        terms: The weights of its terms.
    """

    passage_id: UUID
    dense: Vector | None
    terms: SparseVector


@dataclass(frozen=True, slots=True)
class Query:
    """A question.

    Attributes:
        dense: Its vector by the index's model; None searches by terms alone.
        terms: Its terms; empty searches by meaning alone.
    """

    dense: Vector | None
    terms: SparseVector


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found.

    Attributes:
        score: Reciprocal rank fusion of both rankings: higher is better, comparable within one search only.
    """

    passage_id: UUID
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        hits: The best passages, best first.
        is_whole: Whether both rankings are in it; one that takes too long is left out.
    """

    hits: Sequence[Hit]
    is_whole: bool


class PassageIndex(Protocol):
    """The passages of all documents, for the vectors of one model.

    Entries of another model are found by their terms alone, until they are replaced. Every method raises
    `chassis.errors.Unavailable` when the index cannot be reached.
    """

    async def replace(
        self, document_id: UUID, labels: Collection[str], entries: Sequence[IndexEntry]
    ) -> None:
        """Makes these the document's only entries. Searches see the old ones or the new ones."""
        ...

    async def relabel(self, document_id: UUID, labels: Collection[str]) -> None:
        """Changes who may find the document's entries."""
        ...

    async def remove(self, document_id: UUID) -> None:
        """Removes a document's entries, if there are any."""
        ...

    async def search(self, query: Query, labels: Collection[str], limit: int) -> Found:
        """Returns the best passages that carry at least one of the labels.

        A term counts for more the fewer passages have it. Of passages by meaning and passages by terms, those
        that take longer than `RANKING_SECONDS` are left out, unless both do: then the index is unavailable.
        """
        ...


RANKING_SECONDS = 2.0
"""How long the passages by meaning, and those by terms, may take to find."""

RANKS_FUSED = 100
"""How many passages of each ranking are fused."""

RANK_OFFSET = 20
"""The constant of reciprocal rank fusion: a passage at rank r of a ranking scores 1 / (RANK_OFFSET + r)."""


def fuse(rankings: Sequence[Sequence[UUID]], limit: int) -> list[Hit]:
    """Fuses rankings by reciprocal rank: what several of them have near the top comes first."""
    scores: dict[UUID, float] = {}
    for ranking in rankings:
        for rank, passage_id in enumerate(ranking, start=1):
            scores[passage_id] = scores.get(passage_id, 0.0) + 1 / (RANK_OFFSET + rank)
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return [Hit(passage_id, score) for passage_id, score in best[:limit]]

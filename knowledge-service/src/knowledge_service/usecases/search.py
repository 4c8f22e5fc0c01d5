"""Searching passages by words and by meaning."""

import asyncio
from collections.abc import Sequence

import structlog
from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.identity.caller import Caller

from knowledge_service.domain.audit import Action, entry
from knowledge_service.domain.embedder import Embedder, EmbedderUnavailable, Vector
from knowledge_service.domain.passage import FoundPassage
from knowledge_service.domain.passage_index import PassageIndex, Query
from knowledge_service.domain.term_weights import TermWeights
from knowledge_service.domain.unit_of_work import UnitsOfWork
from knowledge_service.domain.visibility import labels_of_caller

log = structlog.get_logger()

EMBEDDING_SECONDS = 2.0
"""How long a search waits for the vector of its question."""

CANDIDATES = 50
"""Passages that the index is asked for: of those, Postgres may refuse some whose labels have changed."""


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """A passage with how well it fits: higher is better, comparable within one search only."""

    found: FoundPassage
    score: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found, best first.

    Attributes:
        degraded: Whether passages were found by their words or their meaning alone, because the embedder or a
            part of the index was unavailable or too slow.
    """

    passages: Sequence[RankedPassage]
    degraded: bool


class SearchPassages(Component):
    """Finds passages that the caller may see. Returning those of other users is audited.

    The index filters by the caller's labels. Postgres decides again by the same labels before any text
    leaves, so that a stale index discloses nothing.

    Attributes:
        embedder: None when none is configured: passages are found by their words.
    """

    units: UnitsOfWork
    index: PassageIndex
    embedder: Embedder | None
    term_weights: TermWeights

    async def __call__(self, *, caller: Caller, query: str, limit: int) -> SearchResult:
        """Returns the best passages.

        Raises:
            Unavailable: the index could not be reached.
        """
        labels = labels_of_caller(caller)
        dense, degraded = await self._embed(query)
        question = Query(dense, self.term_weights.of_query(query))
        if question.dense is None and not question.terms:
            return SearchResult((), degraded)
        found = await self.index.search(question, labels, CANDIDATES)
        async with self.units.transaction() as unit:
            visible = await unit.passages.visible([hit.passage_id for hit in found.hits], labels)
            passages = [
                RankedPassage(visible[hit.passage_id], hit.score)
                for hit in found.hits
                if hit.passage_id in visible
            ][:limit]
            others = [each.found for each in passages if each.found.owner_id != caller.user_id]
            if others:
                owners = frozenset(each.owner_id for each in others)
                documents = tuple(dict.fromkeys(each.document_id for each in others))
                await unit.outbox.audit(entry(Action.SEARCH, caller, owners=owners, documents=documents))
        return SearchResult(passages, degraded or not found.is_whole)

    async def _embed(self, query: str) -> tuple[Vector | None, bool]:
        """Returns the question's vector, and whether there should have been one."""
        if self.embedder is None:
            return None, False
        try:
            async with asyncio.timeout(EMBEDDING_SECONDS):
                return await self.embedder.embed_query(query), False
        except (EmbedderUnavailable, TimeoutError) as error:
            log.warning("question not embedded; searching by words alone", error=type(error).__name__)
            return None, True

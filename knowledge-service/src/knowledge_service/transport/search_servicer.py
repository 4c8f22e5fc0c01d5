"""`vestibule.knowledge.v1.SearchService`: search, for clients."""

from typing import Any

from chassis.identity.caller import current_caller
from prometheus_client import Counter
from vestibule.knowledge.v1 import search_service_pb2 as pb
from vestibule.knowledge.v1.search_service_pb2_grpc import SearchServiceServicer

from knowledge_service.usecases.search import RankedPassage, SearchPassages

LIMIT = 5

_SEARCHES = Counter(
    "knowledge_searches_total",
    "Searches; `degraded` ones found passages by their words or their meaning alone, because the embedder or"
    " a part of the index was unavailable or too slow.",
    ["degraded"],
)


class SearchServicer(SearchServiceServicer):
    """Runs one use case per call."""

    def __init__(self, search_passages: SearchPassages) -> None:
        self._search_passages = search_passages
        # An alert on a share needs both from the start.
        for degraded in ("true", "false"):
            _SEARCHES.labels(degraded)

    async def Search(self, request: pb.SearchRequest, context: Any) -> pb.SearchResponse:
        """Finds passages."""
        result = await self._search_passages(
            caller=current_caller(), query=request.query, limit=request.limit or LIMIT
        )
        _SEARCHES.labels(str(result.degraded).lower()).inc()
        return pb.SearchResponse(
            passages=[_message(each) for each in result.passages], degraded=result.degraded
        )


def _message(ranked: RankedPassage) -> pb.Passage:
    found = ranked.found
    return pb.Passage(
        document_id=str(found.document_id),
        title=found.title,
        text=found.passage.text,
        score=ranked.score,
        begin=found.passage.begin,
        end=found.passage.end,
        source_url=found.source_url,
    )

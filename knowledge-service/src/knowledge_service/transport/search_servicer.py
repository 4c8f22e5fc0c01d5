"""`vestibule.knowledge.v1.SearchService`: search, for clients."""

from typing import Any

from chassis.identity.caller import current_caller
from vestibule.knowledge.v1 import search_service_pb2 as pb
from vestibule.knowledge.v1.search_service_pb2_grpc import SearchServiceServicer

from knowledge_service.usecases.search import RankedPassage, SearchPassages

LIMIT = 5


class SearchServicer(SearchServiceServicer):
    """Runs one use case per call."""

    def __init__(self, search_passages: SearchPassages) -> None:
        self._search_passages = search_passages

    async def Search(self, request: pb.SearchRequest, context: Any) -> pb.SearchResponse:
        """Finds passages."""
        result = await self._search_passages(
            caller=current_caller(), query=request.query, limit=request.limit or LIMIT
        )
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

"""`vestibule.knowledge.v1.AnswerService`: answers with citations, for clients."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from chassis.identity.caller import current_caller
from vestibule.knowledge.v1 import answer_service_pb2 as pb
from vestibule.knowledge.v1.answer_service_pb2_grpc import AnswerServiceServicer

from knowledge_service.usecases.answer import Answer, AnswerEvent, Citation
from knowledge_service.usecases.search import RankedPassage, SearchResult

LIMIT = 5


class AnswerServicer(AnswerServiceServicer):
    """Runs one use case per call."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def Answer(
        self, request: pb.AnswerRequest, context: Any
    ) -> AsyncGenerator[pb.AnswerResponse, None]:
        """Streams an answer."""
        answer = self._answer(caller=current_caller(), query=request.query, limit=request.limit or LIMIT)
        async with aclosing(answer) as events:
            async for event in events:
                yield _message(event)


def _message(event: AnswerEvent) -> pb.AnswerResponse:
    if isinstance(event, SearchResult):
        passages = [_passage(number, each) for number, each in enumerate(event.passages, start=1)]
        return pb.AnswerResponse(passages=pb.AnswerPassages(passages=passages, degraded=event.degraded))
    if isinstance(event, Citation):
        found = event.passage.found
        citation = pb.AnswerCitation(
            number=event.number,
            document_id=str(found.document_id),
            begin=found.passage.begin,
            end=found.passage.end,
        )
        return pb.AnswerResponse(citation=citation)
    return pb.AnswerResponse(token=pb.AnswerToken(text=event))


def _passage(number: int, ranked: RankedPassage) -> pb.AnswerPassage:
    found = ranked.found
    return pb.AnswerPassage(
        number=number,
        document_id=str(found.document_id),
        title=found.title,
        text=found.passage.text,
        score=ranked.score,
        begin=found.passage.begin,
        end=found.passage.end,
        source_url=found.source_url,
    )

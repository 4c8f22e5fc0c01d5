"""Answers of knowledge-service."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import grpc.aio
from vestibule.knowledge.v1 import answer_service_pb2 as pb
from vestibule.knowledge.v1.answer_service_pb2_grpc import AnswerServiceStub

from voice_service.domain.answers import Citation, Words

ANSWER_SERVICE = pb.DESCRIPTOR.services_by_name["AnswerService"]

_QUOTE_LENGTH_MAX = 600


class KnowledgeAnswers:
    """`Answers`, on behalf of the caller of the present call, whose rights decide."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = AnswerServiceStub(channel)

    async def answer(self, question: str) -> AsyncGenerator[Words | Citation, None]:
        """Yields the answer; where no language model writes one, the beginning of the best passage.

        Raises:
            ServiceError: what knowledge-service said.
        """
        best: pb.AnswerPassage | None = None
        is_written = False
        # What the channel returns is an async generator: closing it cancels the call.
        asked = cast(
            "AsyncGenerator[pb.AnswerResponse, None]", self._stub.Answer(pb.AnswerRequest(query=question))
        )
        async with aclosing(asked) as responses:
            async for response in responses:
                match response.WhichOneof("event"):
                    case "passages":
                        best = next(iter(response.passages.passages), None)
                    case "token":
                        is_written = True
                        yield Words(response.token.text)
                    case "citation":
                        cited = response.citation
                        yield Citation(cited.number, cited.document_id, cited.begin, cited.end)
        if best is not None and not is_written:
            yield Words(f"{_beginning(best.text)} [{best.number}]")
            yield Citation(best.number, best.document_id, best.begin, best.end)


def _beginning(text: str) -> str:
    """Returns the first sentences of a passage."""
    if len(text) <= _QUOTE_LENGTH_MAX:
        return text
    end = max(text.rfind(mark, 0, _QUOTE_LENGTH_MAX) for mark in (". ", "? ", "! ", "\n"))
    return text[: end + 1 if end > 0 else _QUOTE_LENGTH_MAX].rstrip()

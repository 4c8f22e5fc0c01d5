"""`vestibule.voice.v1.VoiceService`: speech, for clients."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from chassis.errors import Invalid, ServiceError, Unavailable
from chassis.identity.caller import current_caller
from google.api.httpbody_pb2 import HttpBody
from vestibule.voice.v1 import voice_service_pb2 as pb
from vestibule.voice.v1.voice_service_pb2_grpc import VoiceServiceServicer

from voice_service.domain.audio import SAMPLE_RATE
from voice_service.domain.session import Finish, Message, Start
from voice_service.transport.messages import converse_response, transcribe_response
from voice_service.usecases.conversing import Converse
from voice_service.usecases.ports import Ports
from voice_service.usecases.speaking import Speak
from voice_service.usecases.transcription import Transcribe

LANGUAGE = "en"


class VoiceServicer(VoiceServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        self._transcribe = Transcribe(ports)
        self._speak = Speak(ports)
        self._converse = Converse(ports)

    async def Transcribe(
        self, requests: AsyncIterator[pb.TranscribeRequest], context: Any
    ) -> AsyncGenerator[pb.TranscribeResponse, None]:
        """Transcribes speech."""
        try:
            async with aclosing(self._transcribe(_messages(requests), current_caller())) as events:
                async for event in events:
                    yield transcribe_response(event)
        except Unavailable as error:
            yield pb.TranscribeResponse(error=_failure(error))
            raise

    async def Speak(self, request: pb.SpeakRequest, context: Any) -> AsyncGenerator[HttpBody, None]:
        """Speaks a text."""
        async with aclosing(self._speak(request.text, request.voice, current_caller())) as parts:
            async for audio in parts:
                yield HttpBody(content_type="audio/wav", data=audio)

    async def Converse(
        self, requests: AsyncIterator[pb.ConverseRequest], context: Any
    ) -> AsyncGenerator[pb.ConverseResponse, None]:
        """Answers spoken questions."""
        try:
            async with aclosing(self._converse(_messages(requests), current_caller())) as events:
                async for event in events:
                    yield converse_response(event)
        except Unavailable as error:
            yield pb.ConverseResponse(error=_failure(error))
            raise


def _failure(error: ServiceError) -> pb.Failure:
    return pb.Failure(code=error.reason, message=error.message)


async def _messages(
    requests: AsyncIterator[pb.TranscribeRequest] | AsyncIterator[pb.ConverseRequest],
) -> AsyncIterator[Message]:
    async for request in requests:
        match request.WhichOneof("request"):
            case "start":
                if request.start.sample_rate != SAMPLE_RATE:
                    raise Invalid.on("start.sample_rate", f"must be {SAMPLE_RATE}")
                yield Start(request.start.language or LANGUAGE)
            case "audio":
                yield request.audio
            case "finish":
                yield Finish()
            case _:
                raise Invalid.on("request", "must be one of start, audio and finish")

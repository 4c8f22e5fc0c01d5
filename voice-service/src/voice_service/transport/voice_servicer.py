"""`vestibule.voice.v1.VoiceService`: speech, for clients."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import fields
from typing import Any, TypeVar

from chassis.errors import Invalid, ServiceError
from chassis.identity.caller import current_caller
from google.api.httpbody_pb2 import HttpBody
from vestibule.voice.v1 import voice_service_pb2 as pb
from vestibule.voice.v1.voice_service_pb2_grpc import VoiceServiceServicer

from voice_service.domain.answers import Citation, Words
from voice_service.domain.audio import SAMPLE_RATE
from voice_service.domain.segmenter import SpeechBegan
from voice_service.domain.session import Finish, Message, Start
from voice_service.usecases import events
from voice_service.usecases.conversation import Converse
from voice_service.usecases.ports import Ports
from voice_service.usecases.sessions import NotBegun
from voice_service.usecases.speech import Speak
from voice_service.usecases.transcription import Transcribe

LANGUAGE = "en"

Response = TypeVar("Response", pb.TranscribeResponse, pb.ConverseResponse)

_MEMBERS: dict[type, tuple[str, type]] = {
    events.Started: ("started", pb.Started),
    SpeechBegan: ("speech_began", pb.SpeechBegan),
    events.Partial: ("partial", pb.Transcript),
    events.Final: ("final", pb.Transcript),
    Words: ("token", pb.Token),
    Citation: ("citation", pb.Citation),
    events.Answered: ("answered", pb.Answered),
    events.Cleared: ("cleared", pb.Cleared),
    events.Ended: ("ended", pb.Ended),
}
"""The member of the `oneof` that each event is, and its message, whose fields have the event's names."""


class VoiceServicer(VoiceServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        self._transcribe = Transcribe(ports)
        self._speak = Speak(ports)
        self._converse = Converse(ports)

    def Transcribe(
        self, requests: AsyncIterator[pb.TranscribeRequest], context: Any
    ) -> AsyncGenerator[pb.TranscribeResponse, None]:
        """Transcribes speech."""
        session = self._transcribe(_messages(requests), current_caller())
        return _responses(session, pb.TranscribeResponse)

    async def Speak(self, request: pb.SpeakRequest, context: Any) -> AsyncGenerator[HttpBody, None]:
        """Speaks a text."""
        async with aclosing(self._speak(request.text, request.voice, current_caller())) as parts:
            async for audio in parts:
                yield HttpBody(content_type="audio/wav", data=audio)

    def Converse(
        self, requests: AsyncIterator[pb.ConverseRequest], context: Any
    ) -> AsyncGenerator[pb.ConverseResponse, None]:
        """Answers spoken questions."""
        session = self._converse(_messages(requests), current_caller())
        return _responses(session, pb.ConverseResponse)


async def _responses(
    session: AsyncGenerator[events.Event, None], response: type[Response]
) -> AsyncGenerator[Response, None]:
    """Yields the events of a session as messages, and the failure that ends it as the last one.

    A session that cannot begin is refused without a message, so that the gateway can respond by HTTP.
    """
    async with aclosing(session):
        try:
            async for event in session:
                name, message = _member(event)
                if name == "final" and response is pb.ConverseResponse:
                    name = "transcript"
                yield response(**{name: message})
        except NotBegun:
            raise
        except Exception as error:
            # Of a fault of ours the client learns no more than that it is one.
            yield response(error=_failure(error if isinstance(error, ServiceError) else ServiceError()))
            raise


def _member(event: events.Event) -> tuple[str, Any]:
    if isinstance(event, events.Audio):
        return "audio", event.data
    name, message = _MEMBERS[type(event)]
    return name, message(**{each.name: getattr(event, each.name) for each in fields(event)})


def _failure(error: ServiceError) -> pb.Failure:
    if not error.field_errors:
        return pb.Failure(code=error.reason, message=error.message)
    wrong = error.field_errors[0]
    return pb.Failure(code=error.reason, message=f"{wrong.field}: {wrong.message}", field=wrong.field)


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

"""Events of sessions as messages of the protos."""

from collections.abc import Callable
from typing import Any

from vestibule.voice.v1 import voice_service_pb2 as pb

from voice_service.domain.answers import Citation, Words
from voice_service.usecases import events


def transcribe_response(event: events.Event) -> pb.TranscribeResponse:
    """Returns an event of a transcription."""
    name, message = _member(event)
    return pb.TranscribeResponse(**{name: message})


def converse_response(event: events.Event) -> pb.ConverseResponse:
    """Returns an event of a conversation."""
    name, message = _member(event)
    return pb.ConverseResponse(**{"transcript" if name == "final" else name: message})


def _member(event: events.Event) -> tuple[str, Any]:
    """Returns which member of the `oneof` an event is, and its value."""
    name, encode = _MEMBERS[type(event)]
    return name, encode(event)


def _started(event: events.Started) -> pb.Started:
    return pb.Started(session_id=str(event.session_id), sample_rate=event.sample_rate)


def _partial(event: events.Partial) -> pb.Transcript:
    return pb.Transcript(text=event.text, begin_ms=event.begin_ms, end_ms=event.end_ms)


def _final(event: events.Final) -> pb.Transcript:
    return pb.Transcript(text=event.text, begin_ms=event.begin_ms, end_ms=event.end_ms, took_ms=event.took_ms)


def _citation(event: Citation) -> pb.Citation:
    return pb.Citation(number=event.number, document_id=event.document_id, begin=event.begin, end=event.end)


def _answered(event: events.Answered) -> pb.Answered:
    return pb.Answered(
        transcript_ms=event.transcript_ms,
        first_token_ms=event.first_token_ms,
        first_audio_ms=event.first_audio_ms,
        total_ms=event.total_ms,
    )


_MEMBERS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    events.Started: ("started", _started),
    events.Began: ("speech_began", lambda event: pb.SpeechBegan(begin_ms=event.begin_ms)),
    events.Partial: ("partial", _partial),
    events.Final: ("final", _final),
    Words: ("token", lambda event: pb.Token(text=event.text)),
    Citation: ("citation", _citation),
    events.Audio: ("audio", lambda event: event.data),
    events.Answered: ("answered", _answered),
    events.Cleared: (
        "cleared",
        lambda event: pb.Cleared(spoken=event.spoken, cut_off=event.cut_off, took_ms=event.took_ms),
    ),
    events.Ended: ("ended", lambda event: pb.Ended(audio_ms=event.audio_ms)),
}

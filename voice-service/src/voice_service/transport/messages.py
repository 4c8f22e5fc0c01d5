"""Events of sessions as messages of the protos, whose fields have the names of the events'."""

from dataclasses import fields
from typing import Any

from vestibule.voice.v1 import voice_service_pb2 as pb

from voice_service.domain.answers import Citation, Words
from voice_service.usecases import events

_MEMBERS: dict[type, tuple[str, type]] = {
    events.Started: ("started", pb.Started),
    events.Began: ("speech_began", pb.SpeechBegan),
    events.Partial: ("partial", pb.Transcript),
    events.Final: ("final", pb.Transcript),
    Words: ("token", pb.Token),
    Citation: ("citation", pb.Citation),
    events.Answered: ("answered", pb.Answered),
    events.Cleared: ("cleared", pb.Cleared),
    events.Ended: ("ended", pb.Ended),
}
"""The member of the `oneof` that each event is, and its message."""


def transcribe_response(event: events.Event) -> pb.TranscribeResponse:
    """Returns an event of a transcription."""
    name, message = _member(event)
    return pb.TranscribeResponse(**{name: message})


def converse_response(event: events.Event) -> pb.ConverseResponse:
    """Returns an event of a conversation."""
    name, message = _member(event)
    return pb.ConverseResponse(**{"transcript" if name == "final" else name: message})


def _member(event: events.Event) -> tuple[str, Any]:
    if isinstance(event, events.Audio):
        return "audio", event.data
    name, message = _MEMBERS[type(event)]
    return name, message(**{each.name: getattr(event, each.name) for each in fields(event)})

"""Recorded speech, and a session around it."""

import traceback
import wave
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chassis.identity.caller import ANONYMOUS
from voice_service.adapters.local_speech import EspeakSynthesizer, LocalTranscriber, SileroDetector
from voice_service.domain.answers import Answers
from voice_service.domain.audio import size_bytes
from voice_service.domain.backends import Synthesizer, Transcriber
from voice_service.domain.session import Finish, Message, Session, Start
from voice_service.usecases.events import Event
from voice_service.usecases.ports import Ports
from voice_service.usecases.sessions import Sessions
from voice_service.usecases.transcription import Transcribe

RECORDINGS = Path(__file__).parent / "recordings"
SILENCE = bytes(size_bytes(1000))
LOCAL_TRANSCRIBER = LocalTranscriber()
"""Shared, because loading its models takes 3 s."""


@dataclass
class RecordedAudit:
    """`AuditTrail` that keeps what it gets."""

    sessions: list[Session] = field(default_factory=list)

    def record(self, session: Session) -> None:
        self.sessions.append(session)


def recording(number: int) -> bytes:
    """Returns the samples of a recording; `sentences.tsv` has what is said in it."""
    with wave.open(str(RECORDINGS / f"sentence-{number}.wav")) as file:
        audio: bytes = file.readframes(file.getnframes())
        return audio


def ports(
    *,
    transcriber: Transcriber | None = None,
    synthesizer: Synthesizer | None = None,
    voices: tuple[str, ...] = ("en-us", "en-gb"),
    answers: Answers | None = None,
    audit: RecordedAudit | None = None,
) -> Ports:
    """Returns the ports as in development, but for those that are given."""
    return Ports(
        detector=SileroDetector,
        transcriber=transcriber or LOCAL_TRANSCRIBER,
        synthesizer=synthesizer or EspeakSynthesizer(),
        languages=("en", "de"),
        voices=voices,
        answers=answers,
        sessions=Sessions(audit or RecordedAudit()),
    )


def frames(audio: bytes) -> Iterator[bytes]:
    """Yields audio in frames of 100 ms, as clients send it."""
    size = size_bytes(100)
    for at in range(0, len(audio), size):
        yield audio[at : at + size]


async def messages(*audio: bytes) -> AsyncIterator[Message]:
    """Yields a session: its start, audio, its end."""
    yield Start("en")
    for each in audio:
        for frame in frames(each):
            yield frame
    yield Finish()


async def transcribed(its_ports: Ports, *audio: bytes) -> list[Event]:
    """Returns the events of a transcription."""
    return [event async for event in Transcribe(its_ports)(messages(*audio), ANONYMOUS)]


def shown(error: BaseException) -> str:
    """Returns all that a log can show of an error and its causes."""
    return "".join(traceback.format_exception(error))

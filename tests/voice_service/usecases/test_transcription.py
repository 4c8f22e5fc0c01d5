"""Transcribing, with the real detector, recognizer and voice of development."""

import hashlib
import random
from collections.abc import AsyncIterator

import pytest
from chassis.errors import Invalid
from chassis.identity.caller import ANONYMOUS
from voice_service.domain.audio import wav_file
from voice_service.domain.session import Finish, Message, Outcome, Start
from voice_service.domain.speech import BackendLost
from voice_service.usecases.events import Began, Ended, Final, Partial, Started
from voice_service.usecases.transcription import Transcribe

from tests.voice_service.speech import SILENCE, RecordedAudit, ports, recording, transcribed


async def test_each_utterance_has_its_text() -> None:
    """Two utterances: each begins, is understood in part, and is final, in order and with its place."""
    audit = RecordedAudit()
    events = await transcribed(ports(audit=audit), SILENCE, recording(2), SILENCE, recording(4), SILENCE)

    finals = [event for event in events if isinstance(event, Final)]
    ended = events[-1]
    assert isinstance(events[0], Started)
    assert isinstance(ended, Ended)
    assert sum(isinstance(event, Began) for event in events) == len(finals) == 2
    assert any(isinstance(event, Partial) and "blood pressure" in event.text for event in events)
    assert finals[0].text.startswith("Blood pressure is 140 over 90")
    assert "pneumonia" in finals[1].text
    assert 700 <= finals[0].begin_ms < finals[0].end_ms <= finals[1].begin_ms < finals[1].end_ms
    (session,) = audit.sessions
    assert (session.outcome, session.ended_by) == (Outcome.SUCCESS, "finished")
    assert session.amounts["audio_ms"] == ended.audio_ms > 9000


@pytest.mark.parametrize("loudness", [0, 40, 300])
async def test_silence_and_noise_give_no_text(loudness: int) -> None:
    """Nothing that is no speech reaches a recognizer."""
    noise = random.Random(7)
    samples = (noise.randint(-loudness, loudness) for _ in range(4 * 16_000))
    audio = b"".join(each.to_bytes(2, "little", signed=True) for each in samples)
    events = await transcribed(ports(), audio)

    assert [type(event) for event in events] == [Started, Ended]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ([Finish()], "start"),
        ([bytes(320)], "start"),
        ([Start("en"), Start("en")], "start"),
        ([Start("en"), bytes(321)], "audio"),
        ([Start("en"), wav_file(bytes(320))], "audio"),
        ([Start("en"), bytes(320), wav_file(bytes(320))[:10]], "audio"),
        ([], "start"),
    ],
)
async def test_wrong_messages_are_refused(wrong: list[Message], field: str) -> None:
    """Messages in the wrong order, half samples, a WAV header; the session is audited as refused."""

    async def sent() -> AsyncIterator[Message]:
        for message in wrong:
            yield message

    audit = RecordedAudit()
    with pytest.raises(Invalid) as refused:
        async for _ in Transcribe(ports(audit=audit))(sent(), ANONYMOUS):
            pass

    assert refused.value.field_errors[0].field == field
    assert [session.outcome for session in audit.sessions] == [Outcome.REFUSED]


class Recorder:
    """`Utterance` whose text is the digest of its audio; its connection may be lost after so many bytes."""

    def __init__(self, lost_after: int | None) -> None:
        self.partial = ""
        self.audio = b""
        self.lost_after = lost_after

    async def add(self, audio: bytes) -> None:
        self.audio += audio
        if self.lost_after is not None and len(self.audio) > self.lost_after:
            raise BackendLost

    async def finish(self) -> str:
        return hashlib.sha256(self.audio).hexdigest()

    async def close(self) -> None:
        self.audio = b""


class Recorders:
    """`Transcriber` that loses its connections so many times."""

    def __init__(self, losses: int) -> None:
        self.losses = losses

    async def open(self, language: str) -> Recorder:
        del language
        self.losses -= 1
        return Recorder(20_000 if self.losses >= 0 else None)


async def test_a_backend_that_drops_gets_the_utterance_again() -> None:
    """After one loss in the middle of an utterance the next connection gets every sample of it."""
    whole, dropped = [
        await transcribed(ports(transcriber=Recorders(losses)), recording(8), SILENCE) for losses in (0, 1)
    ]

    assert [type(event) for event in dropped] == [Started, Began, Final, Ended]
    assert [event.text for event in dropped if isinstance(event, Final)] == [
        event.text for event in whole if isinstance(event, Final)
    ]


async def test_a_backend_that_is_gone_is_reported() -> None:
    """A second loss ends the session, and the audit says so."""
    audit = RecordedAudit()
    with pytest.raises(BackendLost):
        await transcribed(ports(transcriber=Recorders(2), audit=audit), recording(8), SILENCE)

    assert [(session.outcome, session.ended_by) for session in audit.sessions] == [
        (Outcome.FAILED, "UNAVAILABLE")
    ]

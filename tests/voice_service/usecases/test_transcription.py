"""Transcribing, with the real detector, recognizer and voice of development."""

import hashlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from chassis.errors import Invalid
from chassis.identity.caller import ANONYMOUS
from voice_service.domain.audio import wav_file
from voice_service.domain.backends import BackendLost, BackendUnreachable
from voice_service.domain.segmenter import SpeechBegan
from voice_service.domain.session import Finish, Message, Outcome, Start
from voice_service.usecases import reconnection, sessions
from voice_service.usecases.events import Ended, Final, Partial, Started
from voice_service.usecases.sessions import SessionsFull
from voice_service.usecases.transcription import Transcribe

from tests.voice_service.speech import SILENCE, RecordedAudit, messages, ports, recording, transcribed


@pytest.mark.nightly
async def test_each_utterance_has_its_text() -> None:
    """Two utterances: each begins, is understood in part, and is final, in order and with its place."""
    audit = RecordedAudit()
    events = await transcribed(ports(audit=audit), SILENCE, recording(2), SILENCE, recording(4), SILENCE)

    finals = [event for event in events if isinstance(event, Final)]
    ended = events[-1]
    assert isinstance(events[0], Started)
    assert isinstance(ended, Ended)
    assert sum(isinstance(event, SpeechBegan) for event in events) == len(finals) == 2
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
        ([Start("xx")], "start.language"),
        ([Start("xx-DE")], "start.language"),
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


async def test_variants_of_a_language_are_understood() -> None:
    async def sent() -> AsyncIterator[Message]:
        yield Start("de-AT")

    events = [event async for event in Transcribe(ports())(sent(), ANONYMOUS)]
    assert [type(event) for event in events] == [Started, Ended]


async def test_the_sessions_of_a_process_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused, which is no session for the audit, until one of them ends."""
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 1)
    audit = RecordedAudit()
    its_ports = ports(audit=audit)
    async with aclosing(Transcribe(its_ports)(messages(SILENCE), ANONYMOUS)) as one:
        await anext(one)
        with pytest.raises(SessionsFull):
            await transcribed(its_ports, SILENCE)
    await transcribed(its_ports, SILENCE)

    assert [session.ended_by for session in audit.sessions] == ["client_left", "finished"]


class Recorder:
    """`Utterance` whose text is the digest of its audio; its connection is lost after `lost_after` bytes."""

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
    """`Transcriber` that loses its first connections, and is away for a while after that."""

    def __init__(self, losses: int, away_seconds: float = 0.0) -> None:
        self.losses = losses
        self.away_seconds = away_seconds
        self.opened_at = list[float]()

    async def open(self, language: str) -> Recorder:
        del language
        self.opened_at.append(time.monotonic())
        if len(self.opened_at) > 1 and self.opened_at[-1] < self.opened_at[1] + self.away_seconds:
            raise BackendUnreachable
        self.losses -= 1
        return Recorder(20_000 if self.losses >= 0 else None)


async def test_a_backend_that_drops_gets_the_utterance_again() -> None:
    """After one loss in the middle of an utterance the next connection gets every sample of it."""
    whole, dropped = [
        await transcribed(ports(transcriber=Recorders(losses)), recording(8), SILENCE) for losses in (0, 1)
    ]

    assert [type(event) for event in dropped] == [Started, SpeechBegan, Final, Ended]
    assert [event.text for event in dropped if isinstance(event, Final)] == [
        event.text for event in whole if isinstance(event, Final)
    ]


async def test_a_backend_that_restarts_gets_the_utterance_again() -> None:
    """It cannot be reached for a second, and is not asked all the time."""
    whole, restarted = Recorders(0), Recorders(1, away_seconds=1.0)
    texts = [
        event.text
        for each in (whole, restarted)
        for event in await transcribed(ports(transcriber=each), recording(8), SILENCE)
        if isinstance(event, Final)
    ]

    assert len(texts) == 2
    assert texts[0] == texts[1]
    assert 3 <= len(restarted.opened_at) <= 10


@pytest.mark.parametrize("away_seconds", [0.0, 60.0])
async def test_a_backend_that_is_gone_is_reported(
    away_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second loss, or a backend that does not come back in time, ends the session; the audit says so."""
    monkeypatch.setattr(reconnection, "RECONNECT_SECONDS", 0.5)
    gone, audit = Recorders(2, away_seconds), RecordedAudit()
    with pytest.raises(BackendLost):
        await transcribed(ports(transcriber=gone, audit=audit), recording(8), SILENCE)

    assert [(session.outcome, session.ended_by) for session in audit.sessions] == [
        (Outcome.FAILED, "UNAVAILABLE")
    ]

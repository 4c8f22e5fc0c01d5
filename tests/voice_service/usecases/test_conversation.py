"""Conversing: answers are spoken, cut off by speech, and not held back once nothing can cut them off."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from chassis.identity.caller import ANONYMOUS
from vestibule.voice.v1 import voice_service_pb2 as pb
from voice_service.domain.answers import Citation, Words
from voice_service.domain.audio import SAMPLE_RATE, size_bytes
from voice_service.domain.session import Finish, Message, Outcome, Start
from voice_service.transport.voice_servicer import VoiceServicer
from voice_service.usecases.conversation import AnswersOff, Converse
from voice_service.usecases.events import Answered, Audio, Cleared, Ended, Event, Final

from tests.voice_service.speech import SILENCE, RecordedAudit, frames, messages, ports, recording

SENTENCES = [f"This is sentence number {number}. " for number in range(30)]
SECONDS_PER_SENTENCE = 2


class Texts:
    """`Transcriber` and its utterances: the text is always the same."""

    partial = ""

    async def open(self, language: str) -> "Texts":
        return self

    async def add(self, audio: bytes) -> None:
        pass

    async def finish(self) -> str:
        return "What prevents strokes?"

    async def close(self) -> None:
        pass


class Answers:
    """`Answers` of thirty sentences; counts those that were left."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.left = 0

    async def answer(self, question: str) -> AsyncGenerator[Words | Citation, None]:
        self.asked.append(question)
        try:
            for sentence in SENTENCES:
                yield Words(sentence)
        except GeneratorExit:
            self.left += 1
            raise


class Synthesizer:
    """`Synthesizer` that makes two seconds of sound at once."""

    sample_rate = 16_000

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        for _ in range(SECONDS_PER_SENTENCE):
            yield size_bytes(1000) // 2 * b"\x01\x00"


async def converse(
    sent: AsyncIterator[Message], answers: Answers | None, audit: RecordedAudit
) -> list[Event]:
    """Returns the events of a conversation."""
    its_ports = ports(transcriber=Texts(), synthesizer=Synthesizer(), answers=answers, audit=audit)
    return [event async for event in Converse(its_ports)(sent, ANONYMOUS)]


async def test_after_the_end_an_answer_is_not_held_back() -> None:
    """A minute of sound comes at once, so the gateway does not take the session for idle."""
    answers, audit = Answers(), RecordedAudit()
    began = time.monotonic()
    events = await converse(messages(recording(8), SILENCE), answers, audit)

    assert time.monotonic() - began < 30
    assert answers.asked == ["What prevents strokes?"]
    audio = sum(len(event.data) for event in events if isinstance(event, Audio))
    assert audio == size_bytes(1000 * SECONDS_PER_SENTENCE * len(SENTENCES))
    assert [type(event) for event in events[-2:]] == [Answered, Ended]
    assert not any(isinstance(event, Cleared) for event in events)
    (session,) = audit.sessions
    assert (session.outcome, session.amounts["questions"]) == (Outcome.SUCCESS, 1)


async def test_speaking_cuts_the_answer_off() -> None:
    """What was played is known, since sound is sent as fast as it is played."""
    answers, audit = Answers(), RecordedAudit()

    async def sent() -> AsyncIterator[Message]:
        yield Start("en")
        for frame in frames(recording(8) + SILENCE):
            yield frame
        await asyncio.sleep(2 * SECONDS_PER_SENTENCE + 1)
        for frame in frames(recording(8)[: size_bytes(1500)]):
            yield frame
        await asyncio.sleep(0.5)
        yield Finish()

    events = await converse(sent(), answers, audit)

    (cleared,) = [event for event in events if isinstance(event, Cleared)]
    before = events[: events.index(cleared)]
    assert cleared.took_ms <= 1000  # `make bench-voice` measures how soon
    assert cleared.spoken == "".join(SENTENCES[:2]).strip()
    assert cleared.cut_off.startswith(SENTENCES[2])
    assert answers.left == 1
    played = sum(len(event.data) for event in before if isinstance(event, Audio))
    assert size_bytes(4000) < played < size_bytes(8000)
    assert len([event for event in events if isinstance(event, Final)]) == 2
    assert [type(event) for event in events[-2:]] == [Answered, Ended]


class Broken(Answers, Texts, Synthesizer):
    """A port with a fault of ours."""

    async def answer(self, question: str) -> AsyncGenerator[Words | Citation, None]:
        raise ZeroDivisionError
        yield Words("")

    async def open(self, language: str) -> "Broken":
        return self

    async def finish(self) -> str:
        raise ZeroDivisionError

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        raise ZeroDivisionError
        yield b""


@pytest.mark.parametrize("port", ["answers", "transcriber", "synthesizer"])
async def test_a_fault_of_ours_ends_the_session(port: str) -> None:
    """The client, which sends nothing more, does not wait for an answer that never comes."""

    async def sent() -> AsyncIterator[pb.ConverseRequest]:
        yield pb.ConverseRequest(start=pb.Start(sample_rate=SAMPLE_RATE))
        for frame in frames(recording(8) + SILENCE):
            yield pb.ConverseRequest(audio=frame)
        await asyncio.Event().wait()

    audit = RecordedAudit()
    parts: dict[str, Any] = {"transcriber": Texts(), "synthesizer": Synthesizer(), "answers": Answers()}
    its_ports = ports(**parts | {port: Broken()}, audit=audit)
    last = None
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(20):
            async for last in VoiceServicer(its_ports).Converse(sent(), None):  # noqa: B007 asserted below
                pass

    assert last is not None
    assert last.error.code == "INTERNAL"
    (session,) = audit.sessions
    assert (session.outcome, session.ended_by) == (Outcome.FAILED, "INTERNAL")


async def test_without_answers_there_is_no_conversation() -> None:
    audit = RecordedAudit()
    with pytest.raises(AnswersOff):
        await converse(messages(), None, audit)

    assert audit.sessions == []

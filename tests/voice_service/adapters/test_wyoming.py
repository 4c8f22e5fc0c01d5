"""Speech by the Wyoming protocol, against a server made of the protocol's own classes."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import uvloop
from structlog.testing import capture_logs
from voice_service.adapters import wyoming_speech
from voice_service.adapters.wyoming_speech import WyomingAddress, WyomingSynthesizer, WyomingTranscriber
from voice_service.domain.backends import BackendFailed, BackendLost, BackendUnreachable
from voice_service.domain.segmenter import SpeechBegan
from voice_service.usecases.events import Ended, Final, Started
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Info
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.tts import Synthesize

from tests.voice_service.speech import SILENCE, ports, recording, shown, transcribed

WORDS = "pressure of the patient"
RATE = 22_050
SAMPLES = bytes(range(250)) * 40

GARBAGE = {
    "no JSON": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a list": b"[1]\n",
    "no type": b'{"data": {}}\n',
    "no text": b'{"type": "transcript"}\n',
    "null for text": b'{"type": "transcript", "data": {"text": null}}\n',
    "a list for data": b'{"type": "transcript", "data": []}\n',
    "a length that is none": b'{"type": "transcript", "data_length": "x"}\n',
    "nested": b"[" * 60_000 + b"\n",
    "a line without end": b"x" * 200_000,
}


@dataclass
class Server:
    """What the server does with its connections, in their order, and what came over each.

    Attributes:
        plan: For each connection: None to answer, a number of bytes of audio after which it is dropped,
            events or bytes to send in place of an answer.
        rest: The same for later connections.
        asked: The events that were not audio.
        audio: The samples per connection.
    """

    plan: list[int | list[Event] | bytes | None] = field(default_factory=list)
    rest: int | list[Event] | bytes | None = None
    asked: list[Event] = field(default_factory=list)
    audio: list[bytearray] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> WyomingAddress:
        return WyomingAddress("127.0.0.1", self.port)


class Handler(AsyncEventHandler):
    """One connection."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.server = server
        self.plan = server.plan.pop(0) if server.plan else server.rest
        self.audio = bytearray()
        server.audio.append(self.audio)

    async def handle_event(self, event: Event) -> bool:
        if AudioChunk.is_type(event.type):
            self.audio += AudioChunk.from_event(event).audio
            return not (isinstance(self.plan, int) and len(self.audio) > self.plan)
        self.server.asked.append(event)
        if AudioStop.is_type(event.type) or Synthesize.is_type(event.type):
            if isinstance(self.plan, bytes):
                self.writer.write(self.plan)
                return True
            for each in self.plan if isinstance(self.plan, list) else self.answer(event):
                await self.write_event(each)
        return True

    def answer(self, event: Event) -> list[Event]:
        if AudioStop.is_type(event.type):
            return [Info().event(), Transcript(text=WORDS).event()]
        chunks = [
            AudioChunk(RATE, 2, 1, SAMPLES[at : at + 4000]).event() for at in range(0, len(SAMPLES), 4000)
        ]
        return [AudioStart(RATE, 2, 1).event(), *chunks, AudioStop().event()]


@pytest.fixture(name="server")
async def _server() -> AsyncIterator[Server]:
    server, tcp = Server(), AsyncTcpServer("127.0.0.1", 0)
    await tcp.start(lambda reader, writer: Handler(server, reader, writer))
    assert isinstance(tcp._server, asyncio.Server)
    server.port = tcp._server.sockets[0].getsockname()[1]
    yield server
    await tcp.stop()


async def test_an_utterance_is_transcribed(server: Server) -> None:
    """The server gets the model, the language and every sample in the form that the protocol names."""
    events = await transcribed(
        ports(transcriber=WyomingTranscriber(server.address, "base")), recording(8), SILENCE
    )

    assert [type(event) for event in events] == [Started, SpeechBegan, Final, Ended]
    assert [event.text for event in events if isinstance(event, Final)] == [WORDS]
    begin, start, _ = server.asked
    asked, form = Transcribe.from_event(begin), AudioStart.from_event(start)
    assert (asked.name, asked.language) == ("base", "en")
    assert (form.rate, form.width, form.channels) == (16_000, 2, 1)
    assert bytes(server.audio[0][6400:32_000]) in recording(8)


async def test_a_lost_connection_is_made_again(server: Server) -> None:
    """Dropped within an utterance: the next connection gets all of it."""
    server.plan = [None, 20_000]
    transcriber = WyomingTranscriber(server.address, None)
    for _ in range(2):
        events = await transcribed(ports(transcriber=transcriber), recording(8), SILENCE)
        assert [event.text for event in events if isinstance(event, Final)] == [WORDS]

    whole, dropped, again = server.audio
    assert 20_000 < len(dropped) < len(whole)
    assert again == whole


def test_a_connection_that_was_reset_is_lost() -> None:
    """On the loop of production too, whose closed connections raise other errors."""

    async def lose() -> None:
        def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        async with await asyncio.start_server(reset, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            connection = await WyomingAddress("127.0.0.1", port).connect("transcriber")
            for _ in range(2):
                with pytest.raises(BackendLost):
                    for _ in range(100):
                        await connection.send(AudioStop().event())
                        await asyncio.sleep(0.01)
            await connection.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(lose())


@pytest.mark.parametrize(
    "plan", [20_000, [Error(WORDS, "x").event()], *GARBAGE.values()], ids=["dropped", "an error", *GARBAGE]
)
async def test_a_backend_that_fails_is_the_error(
    server: Server, plan: int | list[Event] | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is lost is tried again, a reported error or garbage is not; nothing of it is shown."""
    caplog.set_level(logging.DEBUG)
    server.rest = plan
    with pytest.raises(BackendFailed) as failed, capture_logs() as logs:
        await transcribed(ports(transcriber=WyomingTranscriber(server.address, None)), recording(8), SILENCE)

    assert len(server.audio) == (2 if isinstance(failed.value, BackendLost) else 1)
    assert isinstance(plan, bytes) or isinstance(failed.value, BackendLost) == isinstance(plan, int)
    assert {log["log_level"] for log in logs} == {"warning"}
    assert WORDS not in f"{logs}{caplog.text}{shown(failed.value)}"


@pytest.mark.parametrize("sends", [[], [Info().event()] * 3], ids=["nothing", "other events"])
async def test_a_server_that_never_answers(
    server: Server, sends: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting is bounded, for text and for audio."""
    monkeypatch.setattr(wyoming_speech, "RESULT_SECONDS", 0.3)
    server.rest = sends
    async with asyncio.timeout(20):
        with pytest.raises(BackendLost):
            await transcribed(
                ports(transcriber=WyomingTranscriber(server.address, None)), recording(8), SILENCE
            )
        with pytest.raises(BackendLost):
            await spoken(server)


async def test_an_unreachable_server() -> None:
    """Nothing listens there."""
    with pytest.raises(BackendUnreachable):
        await WyomingTranscriber(WyomingAddress("127.0.0.1", 1), None).open("en")


async def spoken(server: Server) -> bytes:
    """Returns the audio of the words."""
    synthesizer = WyomingSynthesizer(server.address, RATE)
    return b"".join([audio async for audio in synthesizer.speak(WORDS, "amy")])


async def test_a_text_is_spoken(server: Server) -> None:
    """The server gets the text and the voice; its audio comes whole."""
    assert await spoken(server) == SAMPLES
    asked = Synthesize.from_event(server.asked[0])
    assert (asked.text, asked.voice and asked.voice.name) == (WORDS, "amy")


@pytest.mark.parametrize(
    "plan",
    [
        [AudioChunk(RATE, 2, 1, SAMPLES).event(), Error(WORDS).event()],
        [AudioChunk(16_000, 2, 1, SAMPLES).event(), AudioStop().event()],
        [AudioChunk(RATE, 2, 2, SAMPLES).event(), AudioStop().event()],
        b'{"type": "audio-chunk", "data": {"rate": 22050}}\n',
        b'{"type": "audio-chunk", "payload_length": 100000}\nshort',
        *GARBAGE.values(),
    ],
    ids=["an error within", "another rate", "stereo", "no width", "a part", *GARBAGE],
)
async def test_audio_that_is_wrong(
    server: Server, plan: list[Event] | bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error within, another form than configured, or garbage: the error, without the text."""
    monkeypatch.setattr(wyoming_speech, "RESULT_SECONDS", 1.0)
    server.rest = plan
    with pytest.raises(BackendFailed) as failed:
        await spoken(server)

    assert WORDS not in shown(failed.value)

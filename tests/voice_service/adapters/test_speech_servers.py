"""Each adapter with a real speech server of its protocol: what is said is understood, and what is spoken."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from threading import Timer

import numpy as np
import pytest
from chassis.identity.caller import ANONYMOUS
from voice_service.adapters.deepgram_transcriber import DeepgramTranscriber
from voice_service.adapters.local_speech import EspeakSynthesizer
from voice_service.adapters.openai_speech import OpenaiSynthesizer, OpenaiTranscriber, open_openai
from voice_service.adapters.wyoming_speech import WyomingAddress, WyomingSynthesizer, WyomingTranscriber
from voice_service.domain.audio import SAMPLE_RATE
from voice_service.domain.backends import BackendUnreachable, Synthesizer, Transcriber
from voice_service.domain.session import Message
from voice_service.usecases import reconnection
from voice_service.usecases.events import Final, Partial
from voice_service.usecases.speech import Speak
from voice_service.usecases.transcription import Transcribe

from tests.speech_server import SpeechServer
from tests.voice_service.speech import LOCAL_TRANSCRIBER, SILENCE, messages, ports, recording, transcribed

pytestmark = pytest.mark.nightly

TEXT = "Take one tablet in the morning. Do not take more than two."
_WAV_HEADER_BYTES = 44
KILLED_AFTER = 25
"""Messages of an utterance before the server is killed."""
AWAY_SECONDS = 2.0


PROTOCOLS = ("openai", "wyoming", "deepgram")


@pytest.fixture(scope="module", params=PROTOCOLS, name="server")
def _server(request: pytest.FixtureRequest) -> Iterator[SpeechServer]:
    with SpeechServer(request.param) as server:
        yield server


@asynccontextmanager
async def transcriber_of(server: SpeechServer) -> AsyncIterator[Transcriber]:
    """Gives the adapter of a server."""
    match server.protocol:
        case "wyoming":
            yield WyomingTranscriber(WyomingAddress("127.0.0.1", server.port), None)
        case "deepgram":
            yield DeepgramTranscriber(server.url, None, "base")
        case "openai":
            async with open_openai(server.url, None) as client:
                yield OpenaiTranscriber(client, "base")


@asynccontextmanager
async def synthesizer_of(server: SpeechServer) -> AsyncIterator[Synthesizer]:
    """Gives the adapter of a server; there is none for Deepgram, where the text is spoken in this process."""
    match server.protocol:
        case "wyoming":
            yield WyomingSynthesizer(WyomingAddress("127.0.0.1", server.port), 22_050)
        case "openai":
            async with open_openai(server.url, None) as client:
                yield OpenaiSynthesizer(client, "tts-1")
        case _:
            yield EspeakSynthesizer()


def finals(events: list[object]) -> list[str]:
    """Returns the final texts, in lower case."""
    return [event.text.lower() for event in events if isinstance(event, Final)]


async def test_speech_is_understood(server: SpeechServer) -> None:
    """Two utterances, each with its text."""
    async with transcriber_of(server) as transcriber:
        events = await transcribed(
            ports(transcriber=transcriber), SILENCE, recording(2), SILENCE, recording(4), SILENCE
        )

    first, second = finals([*events])
    assert "140 over 90" in first
    assert "evidence of pneumonia" in second


async def test_speech_is_understood_in_this_process() -> None:
    """The same without a server, with partial text; in another language than English without it."""
    events = await transcribed(ports(), SILENCE, recording(2), SILENCE)
    utterance = await LOCAL_TRANSCRIBER.open("de-DE")
    await utterance.add(recording(8))

    assert "140 over 90" in finals([*events])[0]
    assert any("blood pressure" in event.text for event in events if isinstance(event, Partial))
    assert utterance.partial == ""
    assert await utterance.finish() != ""
    await utterance.close()


async def test_a_text_is_spoken(server: SpeechServer) -> None:
    """A recognizer understands it."""
    async with synthesizer_of(server) as synthesizer:
        parts = [part async for part in Speak(ports(synthesizer=synthesizer))(TEXT, "en-gb", ANONYMOUS)]
        rate = synthesizer.sample_rate
    samples = np.frombuffer(b"".join(parts)[_WAV_HEADER_BYTES:], np.int16)
    places = np.arange(0, len(samples), rate / SAMPLE_RATE)
    audio = np.interp(places, np.arange(len(samples)), samples).astype(np.int16).tobytes()
    text = (await LOCAL_TRANSCRIBER.whisper.text(audio, "en")).lower()

    assert len(parts) > 1
    assert "tablet" in text
    assert "morning" in text


async def spoken_while_killed(server: SpeechServer, restart: Timer | None = None) -> AsyncIterator[Message]:
    """Yields a recording's messages, and kills the server within the utterance; then it may be restarted."""
    number = 0
    async for message in messages(recording(2), SILENCE):
        yield message
        number += 1
        if number == KILLED_AFTER:
            server.kill()
            if restart is not None:
                restart.start()


async def test_a_server_killed_within_an_utterance_and_started_again(server: SpeechServer) -> None:
    """Nothing listens for two seconds. The utterance has its whole text."""
    await asyncio.to_thread(server.load)
    restart = Timer(AWAY_SECONDS, server.listen)
    sent = spoken_while_killed(server, restart)
    async with transcriber_of(server) as transcriber:
        events = [event async for event in Transcribe(ports(transcriber=transcriber))(sent, ANONYMOUS)]
    restart.join()

    (text,) = finals([*events])
    assert text.startswith("blood pressure is 140 over 90")


async def test_a_server_that_stays_killed(server: SpeechServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session fails, and soon. The last test with a server, which it does not start again."""
    monkeypatch.setattr(reconnection, "RECONNECT_SECONDS", 1.0)
    sent = spoken_while_killed(server)
    async with transcriber_of(server) as transcriber, asyncio.timeout(20):
        with pytest.raises(BackendUnreachable):
            async for _ in Transcribe(ports(transcriber=transcriber))(sent, ANONYMOUS):
                pass

"""A speech backend that is killed in the middle of an utterance, through the gateway.

The backend is a real one: a server of Deepgram's protocol, with PocketSphinx and Whisper behind it.
"""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.collector import Collector
from tests.leaks import leaks
from tests.speech_server import SpeechServer
from tests.system.client import Client, User
from tests.system.running_system import System
from tests.system.test_canaries import outputs
from tests.system.test_voice import FINISH, START, of_name, opened, received, send
from tests.voice_service.speech import SILENCE, frames, recording

BEGINNING = 25
"""Frames before the backend is killed."""
AWAY_SECONDS = 2.0

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module", name="backend")
def _backend(system: System) -> Iterator[SpeechServer]:
    """The server that voice-service uses."""
    with (
        SpeechServer("deepgram") as backend,
        system.changed(
            "voice-service",
            VOICE_TRANSCRIBER="deepgram",
            VOICE_TRANSCRIBER_URL=backend.url,
            VOICE_TRANSCRIBER_MODEL="base",
        ),
    ):
        yield backend


@pytest.fixture(scope="module", name="speaker")
def _speaker(client: Client) -> User:
    return client.join()


def speak(socket: ClientConnection, audio: list[bytes]) -> None:
    """Sends frames as fast as they are spoken."""
    for frame in audio:
        socket.send(frame)
        time.sleep(0.1)


def test_a_backend_that_is_killed_and_comes_back(
    client: Client, speaker: User, backend: SpeechServer, system: System, collector: Collector
) -> None:
    """After two seconds: the utterance is sent to it again, and the final text is whole.

    No output has what was said.
    """
    backend.load()
    audio = list(frames(recording(2) + SILENCE))
    with opened(client, speaker, "transcribe") as socket:
        send(socket, START)
        speak(socket, audio[:BEGINNING])
        backend.kill()
        restart = threading.Timer(AWAY_SECONDS, backend.listen)
        restart.start()
        speak(socket, audio[BEGINNING:])
        send(socket, FINISH)
        events = list(received(socket))
    restart.join()

    names = [name for name, _ in events]
    (final,) = of_name(events, "final")
    assert final["text"].startswith("Blood pressure is 140 over 90")
    assert (names[-1], socket.close_code) == ("ended", 1000)
    said = {"words": "140 over 90", "partial words": "blood pressure is", "heart": "heart rate"}
    assert leaks(outputs(system, collector), said) == []


def test_a_backend_that_is_gone(client: Client, speaker: User, backend: SpeechServer) -> None:
    """The client gets `error` after the time to reconnect, although it speaks on, and then 1013."""
    audio = list(frames(recording(2) + SILENCE))
    events: list[tuple[str, Any]] = []
    with opened(client, speaker, "transcribe") as socket:
        reading = threading.Thread(target=lambda: events.extend(received(socket)))
        reading.start()
        send(socket, START)
        speak(socket, audio[:BEGINNING])
        backend.kill()
        killed_at = time.monotonic()
        socket.send(audio[BEGINNING])
        reading.join(30)
        took = time.monotonic() - killed_at
    backend.start()

    assert (events[-1][0], events[-1][1]["code"]) == ("error", "UNAVAILABLE")
    assert (socket.close_code, socket.close_reason) == (1013, "UNAVAILABLE")
    assert of_name(events, "final") == []
    assert took < 15

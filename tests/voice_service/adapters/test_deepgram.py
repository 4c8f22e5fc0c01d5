"""Transcription by Deepgram's live protocol, against a WebSocket server that speaks it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from structlog.testing import capture_logs
from voice_service.adapters import deepgram_transcriber
from voice_service.adapters.deepgram_transcriber import DeepgramTranscriber
from voice_service.domain.backends import BackendFailed, BackendLost, BackendUnreachable
from voice_service.domain.segmenter import SpeechBegan
from voice_service.usecases.events import Ended, Final, Partial, Started
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tests.voice_service.speech import SILENCE, ports, recording, shown, transcribed

WORDS = "pressure of the patient"
SECRET = "the-key-of-the-backend"


def results(words: str, *, is_final: bool, speech_final: bool = False) -> str:
    """Returns a message with what was understood."""
    return json.dumps(
        {
            "type": "Results",
            "channel_index": [0, 1],
            "duration": 1.0,
            "start": 0.0,
            "is_final": is_final,
            "speech_final": speech_final,
            "channel": {"alternatives": [{"transcript": words, "confidence": 0.9, "words": []}]},
        }
    )


METADATA = json.dumps({"type": "Metadata", "request_id": "x", "duration": 1.0, "channels": 1})
GARBAGE: dict[str, str | bytes] = {
    "no JSON": WORDS,
    "binary": b"\xff\xfe",
    "a list": "[1]",
    "no channel": '{"type": "Results"}',
    "a list for a channel": '{"type": "Results", "channel": []}',
    "no alternatives": '{"type": "Results", "channel": {"alternatives": []}}',
    "null for text": '{"type": "Results", "channel": {"alternatives": [{"transcript": null}]}}',
    "nested": "[" * 100_000,
    "too long": "x" * 2_000_000,
    "an error": json.dumps({"type": "Error", "description": WORDS, "variant": "X"}),
}


@dataclass
class Server:
    """What the server does with its connections, in their order, and what came over each.

    Attributes:
        plan: For each connection: None to answer, a number of bytes of audio after which it is dropped, a
            status to refuse with, or what to send in place of results.
        rest: The same for later connections.
    """

    url: str = ""
    plan: list[int | HTTPStatus | str | bytes | None] = field(default_factory=list)
    rest: int | HTTPStatus | str | bytes | None = None
    requests: list[Request] = field(default_factory=list)
    audio: list[bytearray] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        status = self.plan[0] if self.plan else self.rest
        if not isinstance(status, HTTPStatus):
            return None
        if self.plan:
            self.plan.pop(0)
        response = connection.respond(status, WORDS)
        if status == HTTPStatus.FOUND:
            response.headers["Location"] = self.url + "/elsewhere"
        return response

    async def handle(self, connection: ServerConnection) -> None:
        plan = self.plan.pop(0) if self.plan else self.rest
        audio = bytearray()
        self.audio.append(audio)
        async for message in connection:
            if isinstance(message, bytes):
                audio += message
                if isinstance(plan, int) and len(audio) > plan:
                    connection.transport.abort()
                elif isinstance(plan, str | bytes):
                    await connection.send(plan)
                elif plan is None and len(audio) > 16_000:
                    await connection.send(results("pressure", is_final=False))
                continue
            self.texts.append(json.loads(message))
            if self.texts[-1]["type"] == "CloseStream" and plan is None:
                await connection.send(results("pressure of", is_final=True))
                await connection.send(results("", is_final=True))
                await connection.send(results("the patient", is_final=True, speech_final=True))
                await connection.send(METADATA)
                return


@pytest.fixture(name="server")
async def _server() -> AsyncIterator[Server]:
    server = Server()
    logger = logging.getLogger("tests.deepgram_server")
    logger.disabled = True
    async with serve(
        server.handle, "127.0.0.1", 0, process_request=server.admit, logger=logger, close_timeout=0.2
    ) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}/v1/listen"
        yield server


@pytest.fixture(name="transcriber")
def _transcriber(server: Server) -> DeepgramTranscriber:
    return DeepgramTranscriber(server.url, SECRET, "nova-3-medical")


async def test_an_utterance_is_transcribed(server: Server, transcriber: DeepgramTranscriber) -> None:
    """What is asked for, partial text while audio comes, and the final results joined."""
    events = await transcribed(ports(transcriber=transcriber), recording(8), SILENCE)

    partials = [event.text for event in events if isinstance(event, Partial)]
    assert [type(event) for event in events if not isinstance(event, Partial)] == [
        Started,
        SpeechBegan,
        Final,
        Ended,
    ]
    assert set(partials) == {"pressure"}
    assert [event.text for event in events if isinstance(event, Final)] == [WORDS]
    assert bytes(server.audio[0][6400:32_000]) in recording(8)
    assert server.texts == [{"type": "CloseStream"}]
    (request,) = server.requests
    assert request.headers["Authorization"] == f"Token {SECRET}"
    assert urlsplit(request.path).path == "/v1/listen"
    assert parse_qs(urlsplit(request.path).query) == {
        "model": ["nova-3-medical"],
        "language": ["en"],
        "encoding": ["linear16"],
        "sample_rate": ["16000"],
        "channels": ["1"],
        "interim_results": ["true"],
        "smart_format": ["true"],
        "mip_opt_out": ["true"],
    }


async def test_a_pause_does_not_lose_the_connection(
    server: Server, transcriber: DeepgramTranscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server closes silent connections; one is kept alive while the client sends nothing."""
    monkeypatch.setattr(deepgram_transcriber, "_KEEP_ALIVE_SECONDS", 0.05)
    utterance = await transcriber.open("en")
    await utterance.add(bytes(640))
    async with asyncio.timeout(10):
        while len(server.texts) < 2:  # noqa: ASYNC110 the server has no event for it
            await asyncio.sleep(0.02)
    text = await utterance.finish()
    await utterance.close()

    assert text == WORDS
    assert server.texts[:2] == [{"type": "KeepAlive"}] * 2


async def test_a_lost_connection_is_made_again(server: Server, transcriber: DeepgramTranscriber) -> None:
    """Dropped within an utterance, or refused: the next connection gets all of it."""
    server.plan = [None, 20_000, None, HTTPStatus.BAD_GATEWAY]
    for _ in range(3):
        events = await transcribed(ports(transcriber=transcriber), recording(8), SILENCE)
        assert [event.text for event in events if isinstance(event, Final)] == [WORDS]

    assert len(server.requests) == 5
    whole, dropped, again, after_refusal = server.audio
    assert 20_000 < len(dropped) < len(whole)
    assert whole == again == after_refusal


@pytest.mark.parametrize(
    "plan",
    [
        20_000,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.FOUND,
        *GARBAGE.values(),
    ],
    ids=["dropped", "401", "400", "500", "redirect", *GARBAGE],
)
async def test_a_backend_that_fails_is_the_error(
    server: Server,
    transcriber: DeepgramTranscriber,
    plan: int | HTTPStatus | str | bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is lost is tried again, what is refused or garbage is not; neither speech nor key is shown."""
    caplog.set_level(logging.DEBUG)
    server.rest = plan
    with pytest.raises(BackendFailed) as failed, capture_logs() as logs:
        await transcribed(ports(transcriber=transcriber), recording(8), SILENCE)

    # A message that is too long closes the connection, which looks like a loss.
    is_lost = plan in (20_000, HTTPStatus.INTERNAL_SERVER_ERROR, GARBAGE["too long"])
    assert len(server.requests) == (2 if is_lost else 1)
    assert isinstance(failed.value, BackendLost) == is_lost
    assert {log["log_level"] for log in logs} == {"warning"}
    assert {log["kind"] for log in logs} == {"lost" if is_lost else "refused"}
    assert not isinstance(plan, HTTPStatus) or {log["status"] for log in logs} == {plan.value}
    everything = f"{logs}{caplog.text}{shown(failed.value)}"
    assert WORDS not in everything
    assert SECRET not in everything


async def test_a_server_that_never_answers(
    server: Server, transcriber: DeepgramTranscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for text is bounded, also while other messages come."""
    monkeypatch.setattr(deepgram_transcriber, "RESULT_SECONDS", 0.3)
    server.rest = '{"type": "SpeechStarted", "channel": [0, 1]}'
    async with asyncio.timeout(20):
        with pytest.raises(BackendLost):
            await transcribed(ports(transcriber=transcriber), recording(8), SILENCE)


async def test_a_server_that_never_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handshake is bounded; nothing listening fails at once."""
    monkeypatch.setattr(deepgram_transcriber, "CONNECT_SECONDS", 0.3)

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        for each in (port, 1):
            with pytest.raises(BackendUnreachable):
                await DeepgramTranscriber(f"ws://127.0.0.1:{each}/v1/listen", None, "m").open("en")

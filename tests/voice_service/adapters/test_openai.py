"""Speech by OpenAI's API, against an HTTP server that speaks it."""

import asyncio
import json
import logging
import socket
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from io import BytesIO

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs
from voice_service.adapters import openai_speech
from voice_service.adapters.openai_speech import OpenaiSynthesizer, OpenaiTranscriber, open_openai
from voice_service.domain.backends import BackendFailed, BackendLost, BackendUnreachable
from voice_service.domain.segmenter import SpeechBegan
from voice_service.usecases.events import Ended, Final, Started

from tests.speech_server import form_of
from tests.voice_service.speech import SILENCE, ports, recording, shown, transcribed

WORDS = "pressure of the patient"
SECRET = "sk-the-key-of-the-backend"
SAMPLES = bytes(range(250)) * 40

Script = Callable[[], Awaitable[Response]]


def sends(body: bytes, status: int = 200, content_type: str = "application/json") -> Script:
    """Returns the script of a server that sends this."""

    async def script() -> Response:
        return Response(body, status, media_type=content_type)

    return script


def breaks_off(body: bytes) -> Script:
    """Returns the script of a server that drops the connection within the response."""

    async def parts() -> AsyncIterator[bytes]:
        yield body
        raise ConnectionError

    async def script() -> Response:
        return StreamingResponse(parts(), media_type="audio/pcm")

    return script


async def redirects() -> Response:
    return RedirectResponse("/v1/elsewhere")


async def trickles() -> Response:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    return StreamingResponse(parts(), media_type="application/json")


async def sleeps() -> Response:
    await asyncio.sleep(30)
    return Response()


REFUSALS = {
    "401": sends(json.dumps({"error": {"message": f"{SECRET} {WORDS}"}}).encode(), 401),
    "400": sends(WORDS.encode(), 400),
    "500": sends(WORDS.encode(), 500),
    "redirect": redirects,
}
GARBAGE = {
    "dropped": breaks_off(b'{"te'),
    "no JSON": sends(WORDS.encode()),
    "no UTF-8": sends(b"\xff\xfe\x00"),
    "a list": sends(b"[1]"),
    "no text": sends(b"{}"),
    "null for text": sends(b'{"text": null}'),
    "nested": sends(b"[" * 100_000),
    "too long": sends(b'{"text": "' + b"x" * 300_000 + b'"}'),
}


@dataclass
class Server:
    """What the server does with requests, in their order, and what came in each.

    Attributes:
        plan: For each request: a script in place of an answer; None to answer.
        rest: The same for later requests.
    """

    url: str = ""
    plan: list[Script | None] = field(default_factory=list)
    rest: Script | None = None
    keys: list[str] = field(default_factory=list)
    forms: list[dict[str, bytes]] = field(default_factory=list)
    speeches: list[dict[str, str]] = field(default_factory=list)

    async def transcribe(self, request: Request) -> Response:
        form = await form_of(request)
        self.forms.append(form)
        return await self.answer(request, JSONResponse({"text": WORDS, "usage": {}}))

    async def speak(self, request: Request) -> Response:
        self.speeches.append(await request.json())

        async def parts() -> AsyncIterator[bytes]:
            for at in range(0, len(SAMPLES), 999):
                yield SAMPLES[at : at + 999]
                await asyncio.sleep(0)

        return await self.answer(request, StreamingResponse(parts(), media_type="audio/pcm"))

    async def answer(self, request: Request, answer: Response) -> Response:
        self.keys.append(request.headers["authorization"])
        script = self.plan.pop(0) if self.plan else self.rest
        return answer if script is None else await script()


@pytest.fixture(name="server")
async def _server() -> AsyncIterator[Server]:
    server = Server()
    app = Starlette(
        routes=[
            Route("/v1/audio/transcriptions", server.transcribe, methods=["POST"]),
            Route("/v1/audio/speech", server.speak, methods=["POST"]),
        ]
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        config = uvicorn.Config(
            app, log_config=None, log_level=100, lifespan="off", timeout_graceful_shutdown=0
        )
        http = uvicorn.Server(config)
        serving = asyncio.ensure_future(http.serve(sockets=[listener]))
        yield server
        http.should_exit = True
        await serving


@pytest.fixture(name="client")
async def _client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with open_openai(server.url, SECRET) as client:
        yield client


async def test_an_utterance_is_transcribed(server: Server, client: httpx.AsyncClient) -> None:
    """One request per utterance: the form, the key, and a WAV file of every sample."""
    events = await transcribed(
        ports(transcriber=OpenaiTranscriber(client, "whisper-1")), recording(8), SILENCE
    )

    assert [type(event) for event in events] == [Started, SpeechBegan, Final, Ended]
    assert [event.text for event in events if isinstance(event, Final)] == [WORDS]
    (form,) = server.forms
    with wave.open(BytesIO(form.pop("file"))) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16_000, 2, 1)
        assert file.readframes(file.getnframes())[6400:32_000] in recording(8)
    assert form == {
        "model": b"whisper-1",
        "language": b"en",
        "response_format": b"json",
        "temperature": b"0",
    }
    assert server.keys == [f"Bearer {SECRET}"]


@pytest.mark.parametrize("script", [REFUSALS["500"], GARBAGE["dropped"]], ids=["500", "dropped"])
async def test_an_utterance_is_sent_again(server: Server, client: httpx.AsyncClient, script: Script) -> None:
    """After one failure, whole."""
    server.plan = [script]
    events = await transcribed(ports(transcriber=OpenaiTranscriber(client, "m")), recording(8), SILENCE)

    assert [event.text for event in events if isinstance(event, Final)] == [WORDS]
    first, second = server.forms
    assert first["file"] == second["file"]


@pytest.mark.parametrize("failure", [*REFUSALS, *GARBAGE])
async def test_a_backend_that_fails_is_the_error(
    server: Server, client: httpx.AsyncClient, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is lost is tried again, what is refused or garbage is not; neither speech nor key is shown."""
    caplog.set_level(logging.DEBUG)
    server.rest = {**REFUSALS, **GARBAGE}[failure]
    with pytest.raises(BackendFailed) as failed, capture_logs() as logs:
        await transcribed(ports(transcriber=OpenaiTranscriber(client, "m")), recording(8), SILENCE)

    is_lost = failure in ("500", "dropped")
    assert len(server.forms) == len(logs) == (2 if is_lost else 1)
    assert isinstance(failed.value, BackendLost) == is_lost
    assert {log["log_level"] for log in logs} == {"warning"}
    assert failure not in REFUSALS or {str(log["status"]) for log in logs} == {
        failure.replace("redirect", "307")
    }
    everything = f"{logs}{caplog.text}{shown(failed.value)}"
    assert WORDS not in everything
    assert SECRET not in everything


@pytest.mark.parametrize("script", [sleeps, trickles])
async def test_a_server_that_never_answers(
    server: Server, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting is bounded, for silence and for a response without end."""
    monkeypatch.setattr(openai_speech, "RESULT_SECONDS", 0.5)
    server.rest = script
    async with asyncio.timeout(20), open_openai(server.url, SECRET) as client:
        with pytest.raises(BackendLost):
            await transcribed(ports(transcriber=OpenaiTranscriber(client, "m")), recording(8), SILENCE)
        with pytest.raises(BackendFailed):
            await spoken(client)


async def test_an_unreachable_server() -> None:
    """Nothing listens there."""
    async with open_openai("http://127.0.0.1:1/v1", None) as client:
        utterance = await OpenaiTranscriber(client, "m").open("en")
        await utterance.add(bytes(640))
        with pytest.raises(BackendUnreachable):
            await utterance.finish()


async def spoken(client: httpx.AsyncClient) -> bytes:
    """Returns the audio of the words; every part is whole samples."""
    parts = [audio async for audio in OpenaiSynthesizer(client, "tts-1").speak(WORDS, "alloy")]
    assert all(len(part) % 2 == 0 for part in parts)
    return b"".join(parts)


async def test_a_text_is_spoken(server: Server, client: httpx.AsyncClient) -> None:
    """However the server cuts its audio, it comes whole."""
    assert await spoken(client) == SAMPLES
    assert server.keys == [f"Bearer {SECRET}"]
    assert server.speeches == [{"model": "tts-1", "input": WORDS, "voice": "alloy", "response_format": "pcm"}]


@pytest.mark.parametrize("failure", [*REFUSALS, "dropped", "JSON", "text"])
async def test_speech_that_fails(
    server: Server, client: httpx.AsyncClient, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Refused, broken off, or no audio: the error, and neither text nor key is shown."""
    caplog.set_level(logging.DEBUG)
    server.rest = {
        **REFUSALS,
        "dropped": breaks_off(SAMPLES),
        "JSON": sends(b"{}"),
        "text": sends(WORDS.encode(), content_type="text/html"),
    }[failure]
    with pytest.raises(BackendFailed) as failed:
        await spoken(client)

    assert isinstance(failed.value, BackendLost) == (failure in ("500", "dropped"))
    assert WORDS not in caplog.text + shown(failed.value)
    assert SECRET not in caplog.text + shown(failed.value)

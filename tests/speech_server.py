"""Real speech servers, with Whisper and eSpeak NG behind each protocol that voice-service speaks.

`python -m tests.speech_server PROTOCOL PORT` runs one; `SpeechServer` runs that in a process of its own.
"""

import asyncio
import json
import logging
import socket
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from email import message_from_bytes
from io import BytesIO
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import numpy as np
import uvicorn
from devstack.ports import free_port
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from voice_service.adapters.local_speech import EspeakSynthesizer, LocalTranscriber
from voice_service.domain.audio import SAMPLE_RATE
from websockets.asyncio.server import ServerConnection, serve
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.tts import Synthesize

from tests.waiting import wait_for

URLS = {
    "wyoming": "tcp://127.0.0.1:{port}",
    "openai": "http://127.0.0.1:{port}/v1",
    "deepgram": "ws://127.0.0.1:{port}/v1/listen",
}
VOICES = ("en-us", "en-gb")
_OPENAI_RATE = 24_000

SYNTHESIZER = EspeakSynthesizer()
TRANSCRIBER = LocalTranscriber()


class SpeechServer:
    """A speech server in a process of its own, started and stopped with a block."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.port = free_port()
        self.url = URLS[protocol].format(port=self.port)
        self._process: subprocess.Popen[bytes] | None = None
        self._next: subprocess.Popen[bytes] | None = None

    def load(self) -> None:
        """Starts a process for `listen`; returns when it has loaded its models, which takes seconds."""
        arguments = [sys.executable, "-m", "tests.speech_server", self.protocol, str(self.port)]
        self._next = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._next.stdout is not None
        assert self._next.stdout.readline()

    def listen(self) -> None:
        """Has the process that was loaded listen; returns when it does."""
        self._process, self._next = self._next, None
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        wait_for(self._listens)

    def start(self) -> None:
        """Starts it; returns when it listens."""
        self.load()
        self.listen()

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def kill(self) -> None:
        """Kills it."""
        process, self._process = self._process, None
        _kill(process)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        _kill(self._next)


def _kill(process: "subprocess.Popen[bytes] | None") -> None:
    if process is not None:
        with process:
            process.kill()


class Wyoming(AsyncEventHandler):
    """One connection of a Wyoming server."""

    language = "en"

    async def handle_event(self, event: Event) -> bool:
        """Collects audio and responds to its end; speaks what is asked for."""
        match event.type:
            case "transcribe":
                self.language = Transcribe.from_event(event).language or "en"
            case "audio-start":
                self.audio = bytearray()
            case "audio-chunk":
                self.audio += AudioChunk.from_event(event).audio
            case "audio-stop":
                text = await TRANSCRIBER.whisper.text(bytes(self.audio), self.language)
                await self.write_event(Transcript(text=text).event())
            case "synthesize":
                asked = Synthesize.from_event(event)
                form: dict[str, Any] = {"rate": SYNTHESIZER.sample_rate, "width": 2, "channels": 1}
                voice = asked.voice.name if asked.voice is not None else None
                await self.write_event(AudioStart(**form).event())
                async with aclosing(SYNTHESIZER.speak(asked.text, voice or VOICES[0])) as parts:
                    async for audio in parts:
                        await self.write_event(AudioChunk(audio=audio, **form).event())
                await self.write_event(AudioStop().event())
        return True


async def form_of(request: Request) -> dict[str, bytes]:
    """Returns the fields of a multipart form."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    fields: dict[str, bytes] = {}
    for part in message_from_bytes(head + await request.body()).walk():
        if not part.is_multipart():
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            fields[str(part.get_param("name", header="content-disposition"))] = content
    return fields


async def transcriptions(request: Request) -> Response:
    """`POST /v1/audio/transcriptions`."""
    form = await form_of(request)
    with wave.open(BytesIO(form["file"])) as file:
        audio = file.readframes(file.getnframes())
    return JSONResponse({"text": await TRANSCRIBER.whisper.text(audio, form["language"].decode())})


async def speech(request: Request) -> Response:
    """`POST /v1/audio/speech`: samples of 24 kHz."""
    asked = await request.json()
    if asked["voice"] not in VOICES:
        return JSONResponse({"error": {"message": "no such voice"}}, status_code=400)

    async def parts() -> AsyncIterator[bytes]:
        async with aclosing(SYNTHESIZER.speak(asked["input"], asked["voice"])) as made:
            async for audio in made:
                samples = np.frombuffer(audio, np.int16)
                size = round(len(samples) * _OPENAI_RATE / SYNTHESIZER.sample_rate)
                places = np.linspace(0, len(samples) - 1, size)
                yield np.interp(places, np.arange(len(samples)), samples).astype(np.int16).tobytes()

    return StreamingResponse(parts(), media_type="audio/pcm")


OPENAI = Starlette(
    routes=[
        Route("/v1/audio/transcriptions", transcriptions, methods=["POST"]),
        Route("/v1/audio/speech", speech, methods=["POST"]),
    ]
)


async def deepgram(connection: ServerConnection) -> None:
    """Deepgram's live protocol: interim results while audio comes, a final one at its end."""
    assert connection.request is not None
    asked = parse_qs(urlsplit(connection.request.path).query)
    utterance = await TRANSCRIBER.open(asked["language"][0])
    said = ""
    try:
        async for message in connection:
            if isinstance(message, bytes):
                await utterance.add(message)
                if utterance.partial != said:
                    said = utterance.partial
                    await connection.send(_results(said, is_final=False))
            elif json.loads(message)["type"] == "CloseStream":
                await connection.send(_results(await utterance.finish(), is_final=True))
                await connection.send(json.dumps({"type": "Metadata", "request_id": "1", "channels": 1}))
                return
    finally:
        await utterance.close()


def _results(text: str, *, is_final: bool) -> str:
    alternatives = [{"transcript": text, "confidence": 1.0, "words": []}]
    return json.dumps({"type": "Results", "is_final": is_final, "channel": {"alternatives": alternatives}})


async def run(protocol: str, port: int) -> None:
    """Loads the models, waits for the end of standard input, and serves until the process is killed."""
    await TRANSCRIBER.whisper.text(bytes(SAMPLE_RATE), "en")
    sys.stdout.write("loaded\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    match protocol:
        case "wyoming":
            await AsyncTcpServer("127.0.0.1", port).run(Wyoming)
        case "openai":
            await uvicorn.Server(uvicorn.Config(OPENAI, port=port, log_level="warning")).serve()
        case "deepgram":
            logger = logging.getLogger("tests.speech_server")
            logger.disabled = True
            async with serve(deepgram, "127.0.0.1", port, logger=logger) as server:
                await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))

"""Speech by a server of OpenAI's API: `POST /audio/transcriptions` and `POST /audio/speech`."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx
from chassis.tls import default_context

from voice_service.adapters.backend_calls import (
    CONNECT_SECONDS,
    RESULT_SECONDS,
    SYNTHESIZER,
    TRANSCRIBER,
    backend_call,
    text_of,
)
from voice_service.domain.audio import SAMPLE_BYTES, Blocks, wav_file

_TRANSCRIPTION_BYTES_MAX = 256 * 1024
_NO_AUDIO = ("text/", "application/json")
"""What the content types begin with that some servers send errors or base64 as, with a status of 200."""

_CONNECTIONS = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=2.0)
"""A connection is reused only shortly, because servers close those that nothing is sent on."""


@asynccontextmanager
async def open_openai(url: str, key: str | None) -> AsyncIterator[httpx.AsyncClient]:
    """Opens a client and closes it at the end of the block.

    Args:
        url: The API, with its version: `https://host/v1`.
        key: Sent as the bearer token; None for servers without one.
    """
    async with httpx.AsyncClient(
        base_url=url,
        headers={} if key is None else {"Authorization": f"Bearer {key}"},
        timeout=httpx.Timeout(RESULT_SECONDS, connect=CONNECT_SECONDS),
        limits=_CONNECTIONS,
        trust_env=False,
        verify=default_context(),
    ) as client:
        yield client


class OpenaiTranscriber:
    """`Transcriber`: one request per utterance, at its end."""

    def __init__(self, client: httpx.AsyncClient, model: str) -> None:
        self._client = client
        self._model = model

    async def open(self, language: str) -> "OpenaiUtterance":
        """Begins an utterance; nothing is sent yet."""
        return OpenaiUtterance(self._client, self._model, language)


class OpenaiUtterance:
    """`Utterance`, without partial results."""

    def __init__(self, client: httpx.AsyncClient, model: str, language: str) -> None:
        self.partial = ""
        self._client = client
        self._form = {
            "model": model,
            "language": language.partition("-")[0],
            "response_format": "json",
            "temperature": "0",
        }
        self._audio = bytearray()

    async def add(self, audio: bytes) -> None:
        """Keeps the next samples."""
        self._audio += audio

    async def finish(self) -> str:
        """Returns the text.

        Raises:
            BackendFailed: the server is unreachable, refuses, or responds with something else.
        """
        file = ("utterance.wav", wav_file(bytes(self._audio)), "audio/wav")
        async with backend_call(TRANSCRIBER, RESULT_SECONDS):
            return await self._transcribe({"file": file})

    async def close(self) -> None:
        """Forgets the audio."""
        self._audio.clear()

    async def _transcribe(self, files: dict[str, tuple[str, bytes, str]]) -> str:
        body = bytearray()
        request = self._client.stream("POST", "/audio/transcriptions", data=self._form, files=files)
        async with request as response:
            response.raise_for_status()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _TRANSCRIPTION_BYTES_MAX:
                    raise ValueError("the response is too long")
        return text_of(json.loads(body)["text"])


class OpenaiSynthesizer:
    """`Synthesizer`: samples as the server streams them."""

    sample_rate = 24_000

    def __init__(self, client: httpx.AsyncClient, model: str) -> None:
        self._client = client
        self._model = model

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yields the audio while it is made.

        Raises:
            BackendFailed: the server is unreachable, refuses, sends no audio, or stops before the end.
        """
        asked = {"model": self._model, "input": text, "voice": voice, "response_format": "pcm"}
        request = self._client.stream("POST", "/audio/speech", json=asked)
        async with backend_call(SYNTHESIZER), request as response:
            response.raise_for_status()
            if response.headers.get("content-type", "").startswith(_NO_AUDIO):
                raise ValueError("the response is not audio")
            samples = Blocks(SAMPLE_BYTES)
            async for part in response.aiter_bytes():
                if audio := samples.add(part):
                    yield audio

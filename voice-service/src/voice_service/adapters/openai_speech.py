"""Speech by a server of OpenAI's API: `POST /audio/transcriptions` and `POST /audio/speech`."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx

from voice_service.adapters.failures import SYNTHESIZER, TRANSCRIBER, backend_failures
from voice_service.domain.audio import SAMPLE_BYTES, Blocks, wav_file

_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
_TRANSCRIPTION_SECONDS = 20.0
"""Two attempts are shorter than the time after which the gateway closes a session that nothing comes from."""

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
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=_TIMEOUT, limits=_CONNECTIONS, trust_env=False
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
        with backend_failures(TRANSCRIBER):
            async with asyncio.timeout(_TRANSCRIPTION_SECONDS):
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
        text = json.loads(body)["text"]
        if not isinstance(text, str):
            raise TypeError("the transcript is not text")
        return text


class OpenaiSynthesizer:
    """`Synthesizer`: samples as the server streams them."""

    sample_rate = 24_000

    def __init__(self, client: httpx.AsyncClient, model: str, voices: tuple[str, ...]) -> None:
        self._client = client
        self._model = model
        self.voices = voices

    async def speak(self, text: str, voice: str) -> AsyncGenerator[bytes, None]:
        """Yields the audio while it is made.

        Raises:
            BackendFailed: the server is unreachable, refuses, sends no audio, or stops before the end.
        """
        asked = {"model": self._model, "input": text, "voice": voice, "response_format": "pcm"}
        with backend_failures(SYNTHESIZER):
            async with self._client.stream("POST", "/audio/speech", json=asked) as response:
                response.raise_for_status()
                if response.headers.get("content-type", "").startswith(_NO_AUDIO):
                    raise ValueError("the response is not audio")
                samples = Blocks(SAMPLE_BYTES)
                async for part in response.aiter_bytes():
                    if audio := samples.add(part):
                        yield audio

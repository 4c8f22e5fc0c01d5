"""A transcriber by Deepgram's live protocol: audio and JSON over a WebSocket, with partial results."""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from voice_service.adapters.backend_calls import (
    CONNECT_SECONDS,
    RESULT_SECONDS,
    SEND_SECONDS,
    TRANSCRIBER,
    backend_call,
    text_of,
)
from voice_service.domain.audio import SAMPLE_RATE
from voice_service.domain.backends import BackendFailed

_CLOSE_SECONDS = 1.0
_KEEP_ALIVE_SECONDS = 4.0
"""The server closes a connection that it gets nothing on for ten seconds."""

_silent = logging.getLogger("voice_service.deepgram")
"""The library logs frames, which hold what was said."""
_silent.disabled = True


class _Connect(connect):
    """Connects to the configured server alone: speech does not follow a redirect."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Returns the error of the handshake as it is."""
        return exc


class DeepgramTranscriber:
    """`Transcriber`: one connection per utterance."""

    def __init__(self, url: str, key: str | None, model: str) -> None:
        """Takes where it is.

        Args:
            url: `wss://host/v1/listen`.
            key: Sent as the token; None for servers without one.
            model: The model.
        """
        self._url = url
        self._headers = {} if key is None else {"Authorization": f"Token {key}"}
        self._model = model

    async def open(self, language: str) -> "DeepgramUtterance":
        """Begins an utterance.

        Raises:
            BackendFailed: the server cannot be reached, or refuses.
        """
        asked = {
            "model": self._model,
            "language": language,
            "encoding": "linear16",
            "sample_rate": SAMPLE_RATE,
            "channels": 1,
            "interim_results": "true",
            "smart_format": "true",
            "mip_opt_out": "true",
        }
        async with backend_call(TRANSCRIBER, connecting=True):
            connection = await _Connect(
                f"{self._url}?{urlencode(asked)}",
                additional_headers=self._headers,
                open_timeout=CONNECT_SECONDS,
                close_timeout=_CLOSE_SECONDS,
                compression=None,
                proxy=None,
                logger=_silent,
            )
        return DeepgramUtterance(connection)


class DeepgramUtterance:
    """`Utterance`: the final results so far, and the interim one after them."""

    def __init__(self, connection: ClientConnection) -> None:
        self.partial = ""
        self._connection = connection
        self._finals: list[str] = []
        self._is_finishing = False
        self._sent_at = 0.0
        self._reading = asyncio.ensure_future(self._read())
        self._keeping_alive = asyncio.ensure_future(self._keep_alive())

    async def add(self, audio: bytes) -> None:
        """Sends the next samples.

        Raises:
            BackendFailed: the connection is lost, or the server has sent what is not of the protocol.
        """
        if self._reading.done():
            await self._reading
        await self._send(audio)

    async def finish(self) -> str:
        """Returns the text.

        Raises:
            BackendFailed: the connection is lost, or nothing came in time.
        """
        self._is_finishing = True
        await self._send('{"type": "CloseStream"}')
        async with backend_call(TRANSCRIBER, RESULT_SECONDS):
            await self._reading
        return " ".join(self._finals)

    async def close(self) -> None:
        """Closes the connection."""
        tasks = (self._reading, self._keeping_alive)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(OSError, WebSocketException):
            await self._connection.close()

    async def _send(self, message: bytes | str) -> None:
        async with backend_call(TRANSCRIBER, SEND_SECONDS):
            await self._connection.send(message)
        self._sent_at = asyncio.get_running_loop().time()

    async def _keep_alive(self) -> None:
        """Keeps the connection while the client pauses within an utterance."""
        with suppress(BackendFailed):  # the next samples find it out
            while True:
                await asyncio.sleep(_KEEP_ALIVE_SECONDS)
                if self._sent_at + _KEEP_ALIVE_SECONDS <= asyncio.get_running_loop().time():
                    await self._send('{"type": "KeepAlive"}')

    async def _read(self) -> None:
        """Takes in results until the server has summed up the stream that was finished.

        Raises:
            BackendFailed: the connection is lost before that, or the server reports an error or garbage.
        """
        async with backend_call(TRANSCRIBER):
            async for raw in self._connection:
                message = json.loads(raw)
                match message.get("type"):
                    case "Results":
                        self._take(message)
                    case "Metadata" if self._is_finishing:
                        return
                    case "Error":
                        raise ValueError("the server reported an error")
            raise ConnectionError("the server closed the connection before the end")

    def _take(self, results: dict[str, Any]) -> None:
        words = text_of(results["channel"]["alternatives"][0]["transcript"])
        if results.get("is_final"):
            self._finals += [words] if words else []
            words = ""
        self.partial = " ".join([*self._finals, *([words] if words else [])])

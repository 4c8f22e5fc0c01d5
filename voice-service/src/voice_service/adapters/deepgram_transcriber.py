"""A transcriber by Deepgram's live protocol: audio and JSON over a WebSocket, with partial results."""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from voice_service.domain.audio import SAMPLE_RATE
from voice_service.domain.speech import BackendLost

_CONNECT_SECONDS = 5.0
_FINISH_SECONDS = 15.0

_silent = logging.getLogger("voice_service.deepgram")
"""The library logs frames, which hold what was said."""
_silent.disabled = True


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
            BackendLost: the server cannot be reached, or refuses.
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
        try:
            connection = await connect(
                f"{self._url}?{urlencode(asked)}",
                additional_headers=self._headers,
                open_timeout=_CONNECT_SECONDS,
                compression=None,
                proxy=None,
                logger=_silent,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise BackendLost from error
        return DeepgramUtterance(connection)


class DeepgramUtterance:
    """`Utterance`: the final results so far, and the interim one after them."""

    def __init__(self, connection: ClientConnection) -> None:
        self.partial = ""
        self._connection = connection
        self._finals: list[str] = []
        self._is_complete = False
        self._reading = asyncio.ensure_future(self._read())

    async def add(self, audio: bytes) -> None:
        """Sends the next samples.

        Raises:
            BackendLost: the connection is lost.
        """
        await self._send(audio)

    async def finish(self) -> str:
        """Returns the text.

        Raises:
            BackendLost: the connection is lost, or nothing came in time.
        """
        await self._send('{"type": "CloseStream"}')
        with suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_SECONDS):
                await asyncio.shield(self._reading)
        if not self._is_complete:
            raise BackendLost
        return " ".join(self._finals)

    async def close(self) -> None:
        """Closes the connection."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        with suppress(OSError, WebSocketException):
            await self._connection.close()

    async def _send(self, message: bytes | str) -> None:
        try:
            await self._connection.send(message)
        except (OSError, ConnectionClosed) as error:
            raise BackendLost from error

    async def _read(self) -> None:
        """Takes in results until the server has summed them up, or the connection is lost."""
        with suppress(OSError, ConnectionClosed, ValueError):
            async for raw in self._connection:
                message = json.loads(raw)
                if message.get("type") == "Results":
                    self._take(message)
                elif message.get("type") == "Metadata":
                    self._is_complete = True
                    return

    def _take(self, results: dict[str, Any]) -> None:
        alternatives = results.get("channel", {}).get("alternatives") or [{}]
        words = str(alternatives[0].get("transcript", ""))
        if results.get("is_final"):
            self._finals += [words] if words else []
            words = ""
        self.partial = " ".join([*self._finals, *([words] if words else [])])

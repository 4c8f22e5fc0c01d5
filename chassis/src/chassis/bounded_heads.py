"""Heads of requests that come too slowly or are too long, which uvicorn would wait for and keep for ever."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""How long a head may take from its first byte, and a new connection until its first head is there."""

HEAD_BYTES_MAX = 32 * 1024

_TOO_SLOW = b"408 Request Timeout", b"The head of the request did not come in time."
_TOO_LONG = b"431 Request Header Fields Too Large", b"The head of the request is larger than 32 KiB."


class BoundedHeadProtocol(HttpToolsProtocol):
    """uvicorn's protocol for HTTP/1.1, with bounds on the head of a request."""

    _head_due: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first head."""
        super().connection_made(transport)
        self._head_due = self.loop.call_later(HEAD_SECONDS, self._refuse, _TOO_SLOW)

    def data_received(self, data: bytes) -> None:
        """Takes bytes in, unless the head grows out of bounds."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(_TOO_LONG)
        elif self._in_head and self._head_bytes and self._head_due is None:
            # Most heads come in one piece and never get here.
            self._head_due = self.loop.call_later(HEAD_SECONDS, self._refuse, _TOO_SLOW)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._in_head, self._head_bytes = False, 0
        self._expect_nothing()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next head may come."""
        self._in_head = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self._expect_nothing()
        super().connection_lost(exc)

    def _expect_nothing(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _refuse(self, why: tuple[bytes, bytes]) -> None:
        self._expect_nothing()
        transport: Any = self.transport
        if transport is None or transport.is_closing():
            return
        if self._may_answer():
            status, text = why
            head = (
                b"HTTP/1.1 %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            )
            transport.write(head % (status, len(text)) + text)
        transport.close()

    def _may_answer(self) -> bool:
        """Says whether somebody waits for words: not who sent nothing, nor in the middle of an answer.

        Who keeps connections in a pool would take them for the answer to what is sent next.
        """
        cycle: Any = self.cycle
        return self._head_bytes > 0 and (cycle is None or cycle.response_complete)

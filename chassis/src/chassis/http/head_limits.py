"""Heads of requests that come too slowly or are too long, which uvicorn would wait for and keep for ever.

The same holds for what surrounds a body: extensions of its chunks, fields behind it, and what
is still sent after the answer.
"""

import asyncio
from typing import Any

from chassis.http.refused_requests import Refusal, RefusingProtocol

HEAD_SECONDS = 10.0
"""How long a head may take from its first byte, and a new connection until its first head is there."""

HEAD_BYTES_MAX = 32 * 1024

SURPLUS_BYTES_MAX = 256 * 1024
"""How much may come behind a head that no body consists of."""

TOO_SLOW = Refusal(408, "The head of the request did not come in time.")
TOO_LONG = Refusal(431, "The head of the request is larger than 32 KiB.")
TOO_MUCH = Refusal(400, "Around the body comes more than 256 KiB of chunk sizes, extensions and trailers.")


class HeadLimitProtocol(RefusingProtocol):
    """uvicorn's protocol for HTTP/1.1, with bounds on the head of a request."""

    _head_due: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _surplus_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the first head."""
        super().connection_made(transport)
        self._head_due = self.loop.call_later(HEAD_SECONDS, self.refuse, TOO_SLOW)

    def data_received(self, data: bytes) -> None:
        """Takes bytes in, unless the head grows out of bounds."""
        if self._in_head:
            self._head_bytes += len(data)
        else:
            self._surplus_bytes += len(data)
        super().data_received(data)
        if not self._in_head and self._surplus_bytes > SURPLUS_BYTES_MAX:
            self.refuse(TOO_MUCH)
        elif self._head_bytes > HEAD_BYTES_MAX:
            self.refuse(TOO_LONG)
        elif self._in_head and self._head_bytes and self._head_due is None:
            # Most heads come in one piece and never get here.
            self._head_due = self.loop.call_later(HEAD_SECONDS, self.refuse, TOO_SLOW)

    def on_headers_complete(self) -> None:
        """The head is there."""
        if self._head_bytes > HEAD_BYTES_MAX and self._head_size() > HEAD_BYTES_MAX:
            self.misread = TOO_LONG
            raise ValueError(TOO_LONG.message)
        super().on_headers_complete()
        self._head_bytes = 0
        self._expect_nothing()

    def on_body(self, body: bytes) -> None:
        """Some of the body is there, for as long as somebody may read it."""
        if not self.cycle.response_complete:
            self._surplus_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is there."""
        self._surplus_bytes = 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self._expect_nothing()
        super().connection_lost(exc)

    def _head_size(self) -> int:
        """Returns the bytes of a head that came in one piece, perhaps with a body behind it."""
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _expect_nothing(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def refuse(self, refusal: Refusal) -> None:
        """Ends the connection, with words where somebody waits for them."""
        self._expect_nothing()
        transport: Any = self.transport
        if refusal is TOO_SLOW and not self._head_bytes and transport is not None:
            # It sent nothing: a pool would take words for the answer to what it sends next.
            transport.close()
        else:
            super().refuse(refusal)

"""Limits on time and size of request heads, which uvicorn does not limit.

Also on what surrounds a body: chunk extensions, trailers, and data that is sent after the response.
"""

import asyncio
from typing import Any

from chassis.http.refused_requests import Refusal, RefusingProtocol

HEAD_SECONDS = 10.0
"""How long a head may take from its first byte, and a new connection until its first head is complete."""

HEAD_BYTES_MAX = 32 * 1024

SURPLUS_BYTES_MAX = 256 * 1024
"""How many bytes after a head may not be part of a body."""

TOO_SLOW = Refusal(408, "The head of the request did not arrive in time.")
TOO_LONG = Refusal(431, "The head of the request is larger than 32 KiB.")
TOO_MUCH = Refusal(400, "The body has more than 256 KiB of chunk sizes, extensions and trailers.")


class HeadLimitProtocol(RefusingProtocol):
    """uvicorn's protocol for HTTP/1.1, with limits on request heads."""

    _head_due: asyncio.TimerHandle | None = None
    _head_begun = False
    """Whether the parser is within a head."""

    _head_bytes = 0
    """Bytes read since the request before ended."""

    _head_uncounted = False
    """Whether the head began in the read in which the request before ended, which was not counted."""

    _surplus_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the timeout of the first head."""
        super().connection_made(transport)
        self._head_due = self.loop.call_later(HEAD_SECONDS, self.refuse, TOO_SLOW)

    def data_received(self, data: bytes) -> None:
        """Parses data, unless the head exceeds its limits."""
        if self._in_head:
            self._head_bytes += len(data)
        else:
            self._surplus_bytes += len(data)
        super().data_received(data)
        if not self._in_head and self._surplus_bytes > SURPLUS_BYTES_MAX:
            self.refuse(TOO_MUCH)
        elif self._head_bytes > HEAD_BYTES_MAX:
            self.refuse(TOO_LONG)
        else:
            self._time_head()

    def on_message_begin(self) -> None:
        """Begins a head."""
        super().on_message_begin()
        self._head_begun = True
        self._head_uncounted = not self._head_bytes

    def on_headers_complete(self) -> None:
        """Ends the head's limits."""
        if (self._head_uncounted or self._head_bytes > HEAD_BYTES_MAX) and self._head_size() > HEAD_BYTES_MAX:
            self.misread = TOO_LONG
            raise ValueError(TOO_LONG.message)
        super().on_headers_complete()
        self._head_begun = False
        self._head_bytes = 0
        self._cancel_timeout()

    def on_response_complete(self) -> None:
        """Goes on with what was read behind the request that is answered."""
        super().on_response_complete()
        self._time_head()

    def on_body(self, body: bytes) -> None:
        """Exempts body bytes from the limit until the response is complete."""
        if not self.cycle.response_complete:
            self._surplus_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Resets the limit of surplus bytes."""
        self._surplus_bytes = 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancels the timeout."""
        self._cancel_timeout()
        super().connection_lost(exc)

    def _time_head(self) -> None:
        """Starts the timeout of a head that has begun, once its rest can be read."""
        if (
            (self._head_begun or self._head_bytes)  # Most heads arrive in one piece, and end here.
            and self._in_head
            and self._head_due is None
            and not self.pipeline
            and not self.flow.read_paused
        ):
            self._head_due = self.loop.call_later(HEAD_SECONDS, self.refuse, TOO_SLOW)

    def _head_size(self) -> int:
        """Returns the size of a head that arrived in one piece, perhaps with part of a body."""
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _cancel_timeout(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def refuse(self, refusal: Refusal) -> None:
        """Refuses the request, or just closes an idle connection."""
        self._cancel_timeout()
        transport: Any = self.transport
        if refusal is TOO_SLOW and not (self._head_bytes or self._head_begun) and transport is not None:
            # Nothing was sent: a connection pool would take a response for that of its next request.
            transport.close()
        else:
            super().refuse(refusal)

"""Writes complete responses to the socket at once, bypassing ASGI's two messages.

uvicorn matches each header against two regular expressions and writes head and body separately; each write
wakes the client. That was a third of a cached read. The app finds the function in its scope, as an ASGI
extension; under another server it uses ASGI's messages.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from chassis.http.refused_requests import Refusal
from chassis.http.streamed_answers import StreamedAnswerProtocol

EXTENSION = "vestibule.write_response"
_CLOSE = b"connection: close"


class WriteResponse(Protocol):
    """Sends a response; returns whether it did. If not, use ASGI's messages."""

    def __call__(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
        """Sends a response.

        Args:
            status: HTTP status.
            headers: All headers, names in lower case, with the body's length if there is a body.
            body: The whole body.

        Raises:
            ValueError: a header contains a line break.
        """
        ...


class _Batch:
    """The responses of one iteration of the event loop, written at its end.

    Each write wakes the client's thread, which costs as much as making the response. Written together, the
    responses of an iteration wake each client once: a quarter of a cached read under load.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._responses: list[tuple[asyncio.Transport, bytes]] = []

    def add(self, transport: asyncio.Transport, response: bytes) -> None:
        """Adds a response."""
        if not self._responses:
            self._loop.call_soon(self.write)
        self._responses.append((transport, response))

    def write(self) -> None:
        """Writes all responses."""
        responses, self._responses = self._responses, []
        for transport, response in responses:
            if not transport.is_closing():
                transport.write(response)


_batches: WeakKeyDictionary[asyncio.AbstractEventLoop, _Batch] = WeakKeyDictionary()


class ResponseWriterProtocol(StreamedAnswerProtocol):
    """uvicorn's protocol for HTTP/1.1, with the extension.

    Everything else that writes to the connection or closes it writes the batch first.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Joins the event loop's batch."""
        super().connection_made(transport)
        self._batch = _batches.setdefault(self.loop, _Batch(self.loop))

    def data_received(self, data: bytes) -> None:
        """Writes the batch before data is parsed, which may be refused."""
        self._batch.write()
        super().data_received(data)

    def eof_received(self) -> None:
        """Writes the batch before the connection is closed."""
        self._batch.write()
        super().eof_received()

    def shutdown(self) -> None:
        """Writes the batch before the server stops."""
        self._batch.write()
        super().shutdown()

    def refuse(self, refusal: Refusal) -> None:
        """Writes the batch before the connection ends."""
        self._batch.write()
        super().refuse(refusal)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.scope.setdefault("extensions", {})[EXTENSION] = _Writer(cycle, self._batch)  # type: ignore[assignment]
        super()._start_asgi_task(cycle, app)


def header_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Returns headers as they are sent, each with its line break.

    Raises:
        ValueError: a header contains a line break.
    """
    return _joined([*[name + b": " + value for name, value in headers], b""])


def _joined(lines: list[bytes]) -> bytes:
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
        raise ValueError("a header holds a line break")
    return head


class _Writer:
    """`WriteResponse` for one request. Once it has written, it lets go of the request, which refers to it."""

    __slots__ = ("_batch", "_cycle")

    def __init__(self, cycle: RequestResponseCycle, batch: _Batch) -> None:
        self._cycle: RequestResponseCycle | None = cycle
        self._batch = batch

    def __call__(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
        cycle = self._cycle
        if cycle is None or cycle.flow.write_paused or cycle.response_started:
            return False
        lines = [name + b": " + value for name, value in headers]
        lines += [name + b": " + value for name, value in cycle.default_headers]
        if _CLOSE in lines:
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            lines.append(_CLOSE)
        head = _joined(lines)
        # Without this, only the garbage collector would free the request, in pauses of several milliseconds.
        self._cycle = None
        if cycle.disconnected:
            return True
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self._batch.add(cycle.transport, b"".join((STATUS_LINE[status], head, b"\r\n\r\n", body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._batch.write()
            cycle.transport.close()
        cycle.on_response()
        return True

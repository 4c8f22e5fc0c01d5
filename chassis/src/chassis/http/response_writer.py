"""Answers that are there whole go to the socket as one write, past ASGI's two messages.

uvicorn takes head and body apart, holds each header against two regular expressions and writes
twice; every write wakes the client. All of that was a third of a cached read. An app finds the
way past it in its scope, as an extension of ASGI, and does without where another server runs it.
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
    """Sends an answer; says whether it was taken. If not, ASGI's own way is to be gone."""

    def __call__(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
        """Sends.

        Args:
            status: HTTP status.
            headers: All of them, names in lower case, among them the body's length where there is one.
            body: The whole body.

        Raises:
            ValueError: a header holds a line break.
        """
        ...


class _Turn:
    """The answers that one turn of an event loop brings forth, written at its end.

    A write to somebody who sleeps wakes him, which costs as much as making the answer: written
    together, the answers of a busy turn wake the clients once. A quarter of a cached read under load.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._answers: list[tuple[asyncio.Transport, bytes]] = []

    def add(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Has an answer written."""
        if not self._answers:
            self._loop.call_soon(self.end)
        self._answers.append((transport, answer))

    def end(self) -> None:
        """Writes what is there."""
        answers, self._answers = self._answers, []
        for transport, answer in answers:
            if not transport.is_closing():
                transport.write(answer)


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turn] = WeakKeyDictionary()


class ResponseWriterProtocol(StreamedAnswerProtocol):
    """uvicorn's protocol for HTTP/1.1, with the extension.

    Whatever else may write to the connection or close it ends the turn first.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes part in the event loop's turns."""
        super().connection_made(transport)
        self._turn = _turns.setdefault(self.loop, _Turn(self.loop))

    def data_received(self, data: bytes) -> None:
        """Takes bytes in, which may be refused."""
        self._turn.end()
        super().data_received(data)

    def eof_received(self) -> None:
        """The client has nothing more to say, and the connection is closed."""
        self._turn.end()
        super().eof_received()

    def shutdown(self) -> None:
        """The server stops."""
        self._turn.end()
        super().shutdown()

    def refuse(self, refusal: Refusal) -> None:
        """Ends the turn before the connection."""
        self._turn.end()
        super().refuse(refusal)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.scope.setdefault("extensions", {})[EXTENSION] = _answering(cycle, self._turn)  # type: ignore[assignment]
        super()._start_asgi_task(cycle, app)


def _answering(cycle: RequestResponseCycle, turn: _Turn) -> WriteResponse:
    def answer(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
        if cycle.flow.write_paused or cycle.response_started:
            return False
        lines = [name + b": " + value for name, value in headers]
        lines += [name + b": " + value for name, value in cycle.default_headers]
        if _CLOSE in lines:
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            lines.append(_CLOSE)
        head = b"\r\n".join(lines)
        breaks = len(lines) - 1
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
            raise ValueError("a header holds a line break")
        if cycle.disconnected:
            return True
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        turn.add(cycle.transport, b"".join((STATUS_LINE[status], head, b"\r\n\r\n", body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            turn.end()
            cycle.transport.close()
        cycle.on_response()
        return True

    return answer

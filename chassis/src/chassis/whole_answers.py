"""Answers that are there whole go to the socket as one write, past ASGI's two messages.

uvicorn takes head and body apart, holds each header against two regular expressions and writes
twice; every write wakes the client. All of that was a third of a cached read. An app finds the
way past it in its scope, as an extension of ASGI, and does without where another server runs it.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from chassis.bounded_heads import BoundedHeadProtocol

EXTENSION = "vestibule.whole_answer"
_CLOSE = b"connection: close"


class AnswerWhole(Protocol):
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


class WholeAnswerProtocol(BoundedHeadProtocol):
    """uvicorn's protocol for HTTP/1.1, with the extension."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.scope["extensions"] = {EXTENSION: _answering(cycle)}  # type: ignore[dict-item]
        super()._start_asgi_task(cycle, app)


def _answering(cycle: RequestResponseCycle) -> AnswerWhole:
    def answer(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
        if cycle.flow.write_paused or cycle.response_started:
            return False
        lines = [name + b": " + value for name, value in headers]
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
        cycle.transport.write(b"".join((STATUS_LINE[status], head, b"\r\n\r\n", body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True

    return answer

"""Answers that come part by part, which uvicorn serves for clients that behave well.

A client that sends more while it is answered would keep uvicorn from reading, and so from
noticing that it leaves. One of HTTP/1.0 does not know chunks. One that takes nothing would
keep a connection that is to be closed, with what was written to it, for ever. One that reads slowly would
get megabytes after its token was revoked, out of the kernel's buffer.
"""

import asyncio
import socket
import struct
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from chassis.http.head_limits import HeadLimitProtocol

ABORT_EXTENSION = "vestibule.abort"
CLOSE_SECONDS = 10.0
"""How long a client may take for what was written to a connection that is being closed."""

UNSENT_BYTES_MAX = 128 * 1024
"""What the kernel may hold that the client's window has no room for; without a bound it takes megabytes."""

_RESET = struct.pack("ii", 1, 0)
"""`SO_LINGER` for a close that sends nothing more."""


class Abort(Protocol):
    """Ends a connection at once: an extension of ASGI, by `ABORT_EXTENSION`."""

    def __call__(self, *, reset: bool = False) -> None:
        """Ends it, without what this process has still to send.

        Args:
            reset: Also without what the kernel has; the client sees an error in place of an end.
        """
        ...


class StreamedAnswerProtocol(HeadLimitProtocol):
    """uvicorn's protocol for HTTP/1.1, with bounds on answers that take their time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Bounds what the kernel may hold unsent."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)

    def data_received(self, data: bytes) -> None:
        """Takes bytes in, unless nothing that they ask for would be answered."""
        cycle = self._answering
        if cycle is not None and not cycle.keep_alive and cycle.response_started and not cycle.more_body:
            return
        super().data_received(data)

    def on_response_complete(self) -> None:
        """The answer is written; a connection that is closing waits for its client no longer than it must."""
        super().on_response_complete()
        transport: Any = self.transport
        if transport.is_closing() and transport.get_write_buffer_size():
            self.loop.call_later(CLOSE_SECONDS, transport.abort)

    def _abort(self, *, reset: bool = False) -> None:
        cycle = self._answering
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        connection = self.transport.get_extra_info("socket")
        if reset and connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.scope.setdefault("extensions", {})[ABORT_EXTENSION] = self._abort  # type: ignore[assignment]
        if cycle.scope["http_version"] == "1.0":
            # Such clients know nothing of 100 (Continue) either.
            cycle.waiting_for_100_continue = False
            app = _without_chunks(cycle, app)
        super()._start_asgi_task(cycle, app)


def _without_chunks(cycle: RequestResponseCycle, app: Any) -> Any:
    """Returns the app such that an answer of unknown length ends with its connection (RFC 9112, 6.3)."""

    async def serve(scope: Any, receive: Any, send: Any) -> Any:
        sized = True

        async def send_plain(message: Any) -> None:
            nonlocal sized
            if message["type"] == "http.response.start":
                sized = any(name == b"content-length" for name, _ in message.get("headers", ()))
                if not sized:
                    cycle.chunked_encoding = False
            elif not sized:
                if cycle.flow.write_paused and not cycle.disconnected:
                    await cycle.flow.drain()
                if not cycle.disconnected and cycle.scope["method"] != "HEAD":
                    cycle.transport.write(message.get("body", b""))
                if message.get("more_body", False):
                    return
                message = {"type": "http.response.body"}
            await send(message)

        return await app(scope, receive, send_plain)

    return serve

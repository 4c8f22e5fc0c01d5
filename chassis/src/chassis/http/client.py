"""An HTTP/1.1 client for one exchange with an untrusted server.

Built on httptools and asyncio because a thousand health checks share one core: an exchange costs a tenth of
a general client's. The response's size is limited, redirects are not followed, and connections are not
reused, so that each check includes connecting; one may be kept to learn of its end.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import lru_cache
from typing import cast
from urllib.parse import SplitResult, urlsplit

import httptools

from chassis.dataclass import dataclass
from chassis.tls import default_context

LIMIT_BYTES = 64 * 1024
_STATUSES = range(100, 600)
_INTERIM = frozenset(range(100, 200)) - {101}
"""Before the final response: all but 101, after which there is no more HTTP."""
_DELIMITING = {"content-length", "transfer-encoding"}


class NotHttp(Exception):
    """The response is not HTTP, or ends early."""


class TooLarge(Exception):
    """The response exceeds the limit."""


@dataclass(slots=True)
class Response:
    """An HTTP response.

    Attributes:
        status: Status code.
        headers: Names in lower case.
        body: The body, within the limit.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class _Collector(asyncio.Protocol):
    """Parses a response as it arrives, up to the limit; asyncio's streams would double the cost."""

    def __init__(self, request: bytes, limit_bytes: int) -> None:
        self._request = request
        self._limit_bytes = limit_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._received = 0
        self._response = Response()
        self._transport: asyncio.WriteTransport | None = None
        self.may_be_kept = False
        self.on_end: Callable[[], None] | None = None
        self.done: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """Ends the connection. Not gracefully: a peer that does not close must not delay us."""
        self.on_end = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self._limit_bytes:
            self._fail(TooLarge())
        elif not self.done.done():
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as error:
                self._fail(NotHttp(str(error)))

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and isinstance(exc, OSError):
            self._fail(exc)
        elif not self._received:
            self._fail(ConnectionResetError())
        # Without a length or chunks, the end of the connection is the end of the body.
        elif not self._response.status or not self._response.headers.keys().isdisjoint(_DELIMITING):
            self._fail(NotHttp("ended early"))
        else:
            self.on_message_complete()
        if self.on_end is not None:
            self.on_end()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._response.status = self._parser.get_status_code()
        self.may_be_kept = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._response.body += body

    def on_message_complete(self) -> None:
        if self._response.status in _INTERIM:
            # Another response follows; how many there may be is bounded by the limit of bytes.
            self._response = Response()
        elif self._response.status not in _STATUSES:
            self._fail(NotHttp("no status"))
        elif not self.done.done():
            self.done.set_result(self._response)

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class KeptConnection:
    """The connection of the last exchange, kept for its end alone: it shows at once that the server ended.

    Args:
        on_end: Called when the server ends the connection.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._kept: _Collector | None = None

    def keep(self, connection: "_Collector") -> None:
        """Keeps a connection in place of the one before."""
        self.close()
        if connection.may_be_kept:
            self._kept = connection
            connection.on_end = self._on_end
        else:
            connection.close()

    def close(self) -> None:
        """Closes the connection."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()


class Progress:
    """How far an exchange got, even if it was cancelled.

    Attributes:
        connected: Whether the server accepted the connection.
    """

    def __init__(self) -> None:
        self.connected = False


async def exchange(
    url: str,
    *,
    progress: Progress,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    tls: ssl.SSLContext | None = None,
    limit_bytes: int = LIMIT_BYTES,
    address: str | None = None,
    kept: KeptConnection | None = None,
) -> Response:
    """Sends one request and returns the response.

    Args:
        url: With scheme `http` or `https`.
        progress: Receives how far the exchange got.
        method: HTTP method.
        headers: Additional headers.
        body: The body.
        tls: How to verify an `https` server; the system's authorities by default.
        limit_bytes: The largest accepted response.
        address: The IP address to connect to, if the host was resolved before.
        kept: Keeps the connection, if the server allows it.

    Raises:
        OSError: no connection.
        NotHttp: the response is not HTTP, or ends early.
        TooLarge: the response exceeds the limit.
    """
    parts = split(url)
    secure = parts.scheme == "https"
    request = _request(
        parts, method, headers or {}, body, connection="close" if kept is None else "keep-alive"
    )
    _, collector = await asyncio.get_running_loop().create_connection(
        lambda: _Collector(request, limit_bytes),
        address or parts.hostname or "",
        parts.port or (443 if secure else 80),
        ssl=(tls or default_context()) if secure else None,
        server_hostname=parts.hostname if secure else None,
    )
    progress.connected = True
    try:
        response = await collector.done
    except BaseException:
        collector.close()
        if collector.done.done() and not collector.done.cancelled():
            collector.done.exception()  # retrieved, even if the caller was cancelled
        raise
    if kept is None:
        collector.close()
    else:
        kept.keep(collector)
    return response


def _request(
    parts: SplitResult, method: str, headers: Mapping[str, str], body: bytes, *, connection: str
) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}"]
    lines.append(f"Connection: {connection}")
    lines += ["User-Agent: vestibule", "Accept-Encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


split = lru_cache(maxsize=4096)(urlsplit)

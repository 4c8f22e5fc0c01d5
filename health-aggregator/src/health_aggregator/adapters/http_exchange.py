"""One HTTP/1.1 exchange with somebody who may not be trusted to end it.

Written on httptools and asyncio because a thousand checks share one core with everything else: an
exchange costs a tenth of what a general client's costs. Every byte is counted, redirects are not
followed here, and the connection is never reused, so that accepting one is part of what is checked.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

import httptools

LIMIT_BYTES = 64 * 1024
_STATUSES = range(100, 600)


class NotHttp(Exception):
    """The answer is no HTTP, or breaks off."""


class TooLarge(Exception):
    """The answer is longer than allowed."""


@dataclass(slots=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: Status code.
        headers: Names in lower case.
        body: As much as came, at most the limit.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class _Reader:
    """Collects what the parser of httptools calls out."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.answer.body += body

    def on_message_complete(self) -> None:
        self.complete = True


class Progress:
    """Tells how far an exchange came, also when it was cut short.

    Attributes:
        connected: Whether the other side took the connection: then it was not silent.
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
) -> Answer:
    """Sends one request and returns the answer.

    Args:
        url: Where to, `http` or `https`.
        progress: Takes note of how far it came.
        method: HTTP method.
        headers: Added to the necessary ones.
        body: Sent as it is.
        tls: How to verify an `https` server; the system's authorities by default.

    Raises:
        OSError: no connection.
        NotHttp: the answer is not HTTP, or ends early.
        TooLarge: the answer is longer than 64 KiB.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        parts.hostname,
        parts.port or (443 if secure else 80),
        ssl=(tls or _default_tls()) if secure else None,
        server_hostname=parts.hostname if secure else None,
        limit=LIMIT_BYTES,
    )
    progress.connected = True
    try:
        writer.write(_request(parts, method, headers or {}, body))
        return await _read(reader)
    finally:
        # Not waited for: a peer that does not close must not hold us.
        writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Answer:
    collected = _Reader()
    parser = httptools.HttpResponseParser(collected)
    received = 0
    while not collected.complete:
        data = await reader.read(LIMIT_BYTES)
        received += len(data)
        if received > LIMIT_BYTES:
            raise TooLarge
        if not data:
            break
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise NotHttp(str(error)) from error
    # Without a length, the end of the connection is the end of the body.
    if not collected.complete and (not received or "content-length" in collected.answer.headers):
        raise NotHttp("ended early")
    status = parser.get_status_code()
    if status not in _STATUSES:
        raise NotHttp("no status")
    collected.answer.status = status
    return collected.answer


def _request(parts: SplitResult, method: str, headers: Mapping[str, str], body: bytes) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}", "Connection: close"]
    lines += ["User-Agent: vestibule-health", "Accept-Encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


_tls_contexts: list[ssl.SSLContext] = []


def _default_tls() -> ssl.SSLContext:
    # Reading the authorities takes 20 ms: once is enough.
    if not _tls_contexts:
        _tls_contexts.append(ssl.create_default_context())
    return _tls_contexts[0]

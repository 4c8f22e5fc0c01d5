"""HTTP by hand, for requests that a well-behaved client cannot send."""

import http.client
import json
import socket
import urllib.parse
from collections.abc import Iterable
from typing import Any

from tests.system.client import Answer, assert_envelope


def exchange(url: str, request: bytes | Iterable[bytes], *, timeout_seconds: float = 10) -> Answer:
    """Sends bytes to the gateway and reads one answer.

    Args:
        url: Where the gateway is.
        request: The bytes, or pieces of them to be sent one by one.
        timeout_seconds: How long to wait for the answer.

    Raises:
        TimeoutError: No answer came.
    """
    address = urllib.parse.urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    with socket.create_connection((address.hostname, address.port), timeout=timeout_seconds) as connection:
        for piece in [request] if isinstance(request, bytes) else request:
            try:
                connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break
        response = http.client.HTTPResponse(connection)
        response.begin()
        return _read(response)


def head(method: str, target: str, *headers: str) -> bytes:
    """Returns a request's head."""
    return "\r\n".join((f"{method} {target} HTTP/1.1", "Host: vestibule", *headers, "", "")).encode("latin-1")


def chunk(content: bytes) -> bytes:
    """Returns one chunk of a chunked body; the last one when there is no content."""
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


def _read(response: http.client.HTTPResponse) -> Answer:
    text = response.read().decode()
    headers = {name.lower(): value for name, value in response.getheaders()}
    body: Any = json.loads(text) if text and "json" in headers.get("content-type", "") else None
    answer = Answer(response.status, headers, body, text)
    if body is not None and "success" in body:
        assert_envelope(answer)
    return answer

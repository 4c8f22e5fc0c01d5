"""Clients that attack or are broken: slow, endless, many, or ambiguous."""

import contextlib
import socket
import time
import urllib.parse
from collections.abc import Iterator

import httpx
import pytest
from chassis.ids import uuid7

from tests.system.client import Client
from tests.system.raw import chunk, head

ANSWER_SECONDS = 60.0
IDLE = 2_000


def _connect(url: str) -> socket.socket:
    address = urllib.parse.urlsplit(url)
    return socket.create_connection((str(address.hostname), address.port or 80), timeout=ANSWER_SECONDS)


def _all_of(connection: socket.socket) -> bytes:
    """Returns everything that comes until the other side closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            received += part
    return received


def _answer_to_drops(dripping: socket.socket, kept: httpx.Client, url: str) -> bytes:
    """Sends a byte per second until there is an answer; others are served meanwhile."""
    began, answer = time.monotonic(), b""
    dripping.settimeout(1)
    while not answer and time.monotonic() - began < ANSWER_SECONDS:
        with contextlib.suppress(TimeoutError):
            dripping.sendall(b"x")
            answer = dripping.recv(1_000)
        assert kept.get(f"{url}/health").status_code == httpx.codes.OK
    return answer


def test_slow_head(base_url: str) -> None:
    """The gateway waits ten seconds for a head that comes byte by byte, or never begins.

    Who asks again and again over one connection keeps it all the while.
    """
    with _connect(base_url) as dripping, _connect(base_url) as silent, httpx.Client() as kept:
        dripping.sendall(b"GET /health HTTP/1.1\r\nHost: ves")

        assert _answer_to_drops(dripping, kept, base_url).startswith(b"HTTP/1.1 408 ")
        assert _all_of(silent) == b"", "there is no request to answer"
        assert kept.get(f"{base_url}/health").status_code == httpx.codes.OK


@pytest.mark.nightly
def test_slow_body(client: Client, base_url: str) -> None:
    """The gateway waits half a minute for a document that comes byte by byte."""
    headers = (
        f"Authorization: Bearer {client.join().access_token}",
        "Content-Type: application/json",
        "Content-Length: 60000",
    )
    with _connect(base_url) as dripping, httpx.Client() as kept:
        dripping.sendall(head("PUT", f"/api/knowledge/documents/{uuid7()}", *headers))

        assert _answer_to_drops(dripping, kept, base_url).startswith(b"HTTP/1.1 408 ")


def test_endless_head(base_url: str) -> None:
    """An endless header is refused long before it fills the memory."""
    with _connect(base_url) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: vestibule\r\n")
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for number in range(10_000):
                connection.sendall(f"X-{number}: {'x' * 100}\r\n".encode())

        assert _all_of(connection)[:13] in {b"HTTP/1.1 431 ", b""}, "431, unless the reset was faster"


def test_endless_body(base_url: str) -> None:
    """An endless chunked body is refused with 413 at 64 KiB, and the connection is closed."""
    with _connect(base_url) as connection:
        headers = ("Content-Type: application/json", "Transfer-Encoding: chunked")
        connection.sendall(head("POST", "/api/auth/login", *headers))
        sent = 0
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while sent < 64 * 1024 * 1024:
                connection.sendall(chunk(b"x" * 8_192))
                sent += 8_192

        assert sent < 16 * 1024 * 1024


def test_many_idle_connections(client: Client, base_url: str) -> None:
    """A thousand idle connections do not keep other clients from being served."""
    with contextlib.ExitStack() as held:
        for _ in range(IDLE):
            held.enter_context(_connect(base_url))

        assert client.get("/api/health").status in {200, 503}
        assert client.join().access_token


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: vestibule\r\n\r\n"


def _doubtful() -> Iterator[tuple[str, bytes]]:
    """Requests whose end two servers could read differently, with a second request behind it."""
    both = ("Content-Type: application/json", f"Content-Length: {5 + len(SMUGGLED)}")
    chunked = "Transfer-Encoding: chunked"
    end = b"0\r\n\r\n" + SMUGGLED
    yield "length and chunks", head("POST", "/api/auth/login", *both, chunked) + end
    yield "chunks and length", head("POST", "/api/auth/login", both[0], chunked, both[1]) + end
    yield "two lengths", head("POST", "/api/auth/login", both[0], "Content-Length: 0", both[1]) + end
    yield "a list of lengths", head("POST", "/api/auth/login", both[0], "Content-Length: 0, 49") + end
    yield "a signed length", head("POST", "/api/auth/login", both[0], "Content-Length: +0") + end
    yield "a length in hex", head("POST", "/api/auth/login", both[0], "Content-Length: 0x0") + end
    yield (
        "a space before the colon",
        head("POST", "/api/auth/login", *both, "Transfer-Encoding : chunked") + end,
    )
    yield "another coding", head("POST", "/api/auth/login", *both, "Transfer-Encoding: xchunked") + end
    yield "chunked, then another", head("POST", "/api/auth/login", *both, f"{chunked}, identity") + end
    yield "chunked twice", head("POST", "/api/auth/login", *both, chunked, chunked) + end
    yield "a folded header", head("POST", "/api/auth/login", *both, "Transfer-Encoding:\r\n chunked") + end
    yield "a bare line feed", b"POST /api/auth/login HTTP/1.1\nHost: v\nContent-Length: 0\n\n" + SMUGGLED
    yield (
        "a chunk's size too large",
        head("POST", "/api/auth/login", both[0], chunked) + b"f" * 20 + b"\r\n" + end,
    )
    yield (
        "a chunk longer than said",
        head("POST", "/api/auth/login", both[0], chunked) + b"1\r\nxyz\r\n" + end,
    )
    yield "a line break in the target", b"GET /health\r\n HTTP/1.1\r\nHost: v\r\n\r\n" + SMUGGLED


@pytest.mark.parametrize(("what", "request_bytes"), list(_doubtful()), ids=[what for what, _ in _doubtful()])
def test_smuggling(base_url: str, what: str, request_bytes: bytes) -> None:
    """An ambiguous request is refused, and nothing after it on the connection is read as a request."""
    with _connect(base_url) as connection:
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        received = _all_of(connection)

    assert received.count(b"HTTP/1.1 ") <= 1, received
    assert b"/smuggled" not in received
    assert received[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 415", b"HTTP/1.1 413"}, received


def test_pipelining_is_no_smuggling(base_url: str) -> None:
    """Two plain requests on one connection get two answers, in order."""
    with _connect(base_url) as connection:
        connection.sendall(head("GET", "/health") + head("GET", "/health", "Connection: close"))

        assert _all_of(connection).count(b"HTTP/1.1 200 ") == 2

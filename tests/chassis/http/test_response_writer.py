"""Answers sent whole keep to HTTP as uvicorn's own do."""

import asyncio
import gc
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from chassis.http.head_limits import TOO_SLOW
from chassis.http.response_writer import EXTENSION
from chassis.http.server import open_http

_WHO = ContextVar("who", default="default")
LENGTH = [(b"content-length", b"5")]
_DATE = re.compile(rb"date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n")


async def _app(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"connection", b"close"), *LENGTH] if scope["path"] == "/last" else LENGTH
    assert scope["extensions"][EXTENSION](200, headers, b"whole")
    assert not scope["extensions"][EXTENSION](200, headers, b"twice")
    del receive, send


async def _ask(address: str, request: bytes) -> bytes:
    """Sends bytes and returns all that comes until the server hangs up."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return _DATE.sub(b"", answer)


async def test_connections_are_kept_until_either_side_wants_them_closed() -> None:
    """Pipelined requests are answered in order; `close` of the client and of the app are both kept."""
    keep, close = (
        b"GET / HTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
    )
    last = b"GET /last HTTP/1.1\r\nhost: h\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\n"
    async with open_http(_app, host="127.0.0.1", port=0) as server:
        by_client = await _ask(server.address, keep + close)
        by_app = await _ask(server.address, keep + last + keep)

    kept = head + b"content-length: 5\r\n\r\nwhole"
    assert by_client == kept + head + b"content-length: 5\r\nconnection: close\r\n\r\nwhole"
    assert by_app == kept + head + b"connection: close\r\ncontent-length: 5\r\n\r\nwhole"


async def test_answers_are_dated() -> None:
    """As a server with a clock must (RFC 9110, 6.6.1)."""
    async with open_http(_app, host="127.0.0.1", port=0) as server:
        host, _, port = server.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /last HTTP/1.1\r\nhost: h\r\n\r\n")
        answer = await reader.read()
        writer.close()

    assert len(_DATE.findall(answer)) == 1


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb"])
async def test_a_header_cannot_split_the_answer(value: bytes) -> None:
    """What a service hands on as a header is never two."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del receive, send
        scope["extensions"][EXTENSION](200, [(b"etag", value), *LENGTH], b"whole")

    async with open_http(app, host="127.0.0.1", port=0) as server:
        answer = await _ask(server.address, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in answer


def _stop(connection: Any) -> None:
    connection.shutdown()


def _hang_up(connection: Any) -> None:
    connection.eof_received()
    connection.transport.close()


def _talk_nonsense(connection: Any) -> None:
    connection.data_received(b"\0\r\n\r\n")


def _dawdle(connection: Any) -> None:
    connection.data_received(b"G")
    connection.refuse(TOO_SLOW)


@pytest.mark.parametrize("happens", [_stop, _hang_up, _talk_nonsense, _dawdle])
async def test_what_ends_a_connection_comes_after_the_answer(happens: Callable[[Any], None]) -> None:
    """Answers wait for the end of the event loop's turn, and whatever happens before that waits for them."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await _app(scope, receive, send)
        for connection in list(server.server_state.connections):
            happens(connection)

    async with open_http(app, host="127.0.0.1", port=0) as server:
        answer = await _ask(server.address, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole")


async def test_each_request_begins_in_a_context_of_its_own() -> None:
    """Also one that waited behind another on the same connection."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(_WHO.get())
        _WHO.set("changed")
        await _app(scope, receive, send)

    ask, last = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", b"GET /last HTTP/1.1\r\nhost: h\r\n\r\n"
    async with open_http(app, host="127.0.0.1", port=0) as server:
        await _ask(server.address, ask + ask + last)

    assert seen == ["default"] * 3


async def test_requests_leave_nothing_for_the_garbage_collector() -> None:
    """Its walks stop the process for milliseconds: what requests refer to is free once they are answered."""
    requests = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n" * 63 + b"GET /last HTTP/1.1\r\nhost: h\r\n\r\n"
    async with open_http(_app, host="127.0.0.1", port=0) as server:
        await _ask(server.address, requests)  # What is made once.
        gc.collect()
        await _ask(server.address, requests)
        found = gc.collect()

    assert found < 2 * 64, "objects of the connection itself, and none of each request"

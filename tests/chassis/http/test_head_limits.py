"""Heads have a time limit; a connection that is kept alive has none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import uvicorn
from chassis.http import head_limits
from chassis.http.head_limits import HeadLimitProtocol
from devstack.ports import free_port
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

from tests.waiting import SLOW_MACHINE_SECONDS

LIMIT_SECONDS = 0.3
GET = b"GET / HTTP/1.1\r\nHost: vestibule\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: vestibule\r\nContent-Length: 2\r\n\r\n{}"


async def _answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    del scope
    await receive()
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    await send(start)  # type: ignore[arg-type]
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


@pytest.fixture(name="port")
async def _port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server that waits for a head as long as the tests do."""
    monkeypatch.setattr(head_limits, "HEAD_SECONDS", LIMIT_SECONDS)
    port = free_port()
    config = uvicorn.Config(
        _answer, port=port, http=HeadLimitProtocol, lifespan="off", log_config=None, timeout_keep_alive=30
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield port
    server.should_exit = True
    await running


@pytest.mark.parametrize("request_bytes", [GET, POST])
async def test_who_comes_again_is_served(port: int, request_bytes: bytes) -> None:
    """A connection lives as long as its heads come whole, however long that is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(4):
        writer.write(request_bytes)
        answer = await reader.readuntil(b"ok")
        assert answer.startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(LIMIT_SECONDS / 2)
    writer.close()


async def test_who_sends_nothing_is_left_without_a_word(port: int) -> None:
    """A connection pool would take it for the response to its first request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("before", [b"", GET])
async def test_half_a_head(port: int, before: bytes) -> None:
    """It learns the reason, for the first head and for a later one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if before:
        writer.write(before)
        await reader.readuntil(b"ok")
    writer.write(GET[:-4])

    assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    writer.close()


CHUNKED = b"POST / HTTP/1.1\r\nHost: vestibule\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "more"),
    [(b"2;", b"a" * 1024), (b"2\r\n{}\r\n0\r\n", b"a: b\r\n" * 200), (b"", b"1\r\na\r\n" * 200)],
    ids=["extension", "trailers", "behind the answer"],
)
async def test_what_surrounds_a_body_is_bounded(port: int, begin: bytes, more: bytes) -> None:
    """Extensions of chunks, fields behind them, and a body that is no longer read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(CHUNKED + begin)
    reading = asyncio.create_task(reader.read())
    sent = 0
    while not reading.done() and sent < 20 * head_limits.SURPLUS_BYTES_MAX:
        try:
            writer.write(more)
            await writer.drain()
        except ConnectionError:
            break
        sent += len(more)
        await asyncio.sleep(0)
    writer.close()
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            await reading

    assert sent < 20 * head_limits.SURPLUS_BYTES_MAX

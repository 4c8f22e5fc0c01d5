"""Heads have a time limit; a connection that is kept alive has none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from chassis.http import head_limits
from chassis.http.head_limits import HeadLimitProtocol
from chassis.http.refused_requests import EXTENSION
from devstack.ports import free_port
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

from tests.waiting import SLOW_MACHINE_SECONDS

LIMIT_SECONDS = 0.3
GET = b"GET / HTTP/1.1\r\nHost: vestibule\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: vestibule\r\nContent-Length: 2\r\n\r\n{}"


async def _answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    refusal: Any = (scope.get("extensions") or {}).get(EXTENSION)  # type: ignore[attr-defined]
    if scope["path"] == "/slow":  # type: ignore[typeddict-item]
        await asyncio.sleep(1.2 * LIMIT_SECONDS)  # Asking for the body would have more read.
    elif refusal is None:
        await receive()
    status = 200 if refusal is None else refusal.status
    start = {"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]}
    await send(start)  # type: ignore[arg-type]
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


vars(_answer)["answers_refusals"] = True


@pytest.fixture(name="port")
async def _port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server that waits for a head as long as the tests do."""
    monkeypatch.setattr(head_limits, "HEAD_SECONDS", LIMIT_SECONDS)
    port = free_port()
    config = uvicorn.Config(
        _answer,
        port=port,
        http=HeadLimitProtocol,
        lifespan="off",
        log_config=None,
        timeout_keep_alive=30,
        proxy_headers=False,  # It would hide that the app answers refusals.
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


@pytest.mark.parametrize("before", [GET, POST, GET + POST])
async def test_half_a_head_in_one_packet_with_a_request(port: int, before: bytes) -> None:
    """It has no more time than one that comes alone."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(before + GET[:-4])
    async with asyncio.timeout(SLOW_MACHINE_SECONDS):
        *answers, last = (await reader.read()).split(b"HTTP/1.1 ")[1:]

    assert [answer[:3] for answer in answers] == [b"200"] * before.count(b" / ")
    assert last.startswith(b"408 ")
    writer.close()


async def test_a_head_that_cannot_be_read_yet_is_not_timed(port: int) -> None:
    """Earlier requests take their time, and nothing is read meanwhile."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    slow = GET.replace(b"/", b"/slow", 1)
    writer.write(slow + slow + GET[:-4])
    await asyncio.sleep(LIMIT_SECONDS / 10)
    writer.write(GET[-4:])
    async with asyncio.timeout(SLOW_MACHINE_SECONDS):
        for _ in range(3):
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
    writer.close()


@pytest.mark.parametrize("before", [b"", GET, POST])
@pytest.mark.parametrize("cut", [0, 40, 30_000], ids=["whole", "cut early", "cut late"])
async def test_a_head_of_any_place_is_bounded(port: int, before: bytes, cut: int) -> None:
    """Also one that begins in one packet with the request before it."""
    for size, status in ((head_limits.HEAD_BYTES_MAX - 1024, b"200"), (head_limits.HEAD_BYTES_MAX, b"431")):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = GET[:-2] + b"X-Long: " + b"a" * size + b"\r\n\r\n"
        if cut:
            writer.write(before + head[:cut])
            await asyncio.sleep(LIMIT_SECONDS / 10)
            writer.write(head[cut:])
        else:
            writer.write(before + head)
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            for expected in [b"200"] * bool(before) + [status]:
                assert (await reader.readuntil(b"\r\n\r\n"))[9:12] == expected
                if expected == b"200":
                    await reader.readexactly(2)
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

"""Requests sent ahead of responses: all are answered in order, and few are held as more than bytes."""

import asyncio
from typing import Any

import pytest
from chassis.http.pipelining import HEADS_MAX
from chassis.http.server import open_http

COUNT = 4_000
_BODY = b"x" * 100_000


class App:
    """Answers each request by its path and the length of its body, once it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers."""
        await self.may_answer.wait()
        length, more = 0, True
        while more:
            message = await receive()
            length, more = length + len(message.get("body", b"")), message.get("more_body", False)
        body = scope["raw_path"] + b" %d\n" % length
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _request(number: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nhost: h\r\n\r\n" % number


async def _bodies(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    bodies = []
    for _ in range(count):
        head = await reader.readuntil(b"\r\n\r\n")
        bodies.append(
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r")[0]))
        )
    return bodies


@pytest.mark.parametrize("piece", [COUNT, 1_000, 7])
async def test_all_are_answered_and_few_are_parsed(piece: int) -> None:
    """However many arrive in one read; a request cut by the end of a slice is whole again."""
    app = App()
    async with open_http(app, host="127.0.0.1", port=0) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.address.rpartition(":")[2]))

        async def send() -> None:
            for first in range(0, COUNT, piece):
                writer.write(b"".join(map(_request, range(first, min(first + piece, COUNT)))))
                await writer.drain()

        sending = asyncio.create_task(send())
        await asyncio.sleep(0.5)
        protocol: Any = next(iter(server.server_state.connections))
        waiting = len(protocol.pipeline)
        app.may_answer.set()
        async with asyncio.timeout(60):
            bodies = await _bodies(reader, COUNT)
            await sending
        writer.close()

    assert bodies == [b"/%d 0\n" % number for number in range(COUNT)]
    assert 0 < waiting <= 2 * HEADS_MAX


async def test_a_body_that_its_app_does_not_take_is_not_read() -> None:
    """Also when it looks like ends of heads."""
    async with open_http(App(), host="127.0.0.1", port=0) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", int(server.address.rpartition(":")[2]))
        writer.write(
            b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 40000000\r\n\r\n" + b"\r\n\r\n" * 10_000_000
        )
        await asyncio.sleep(1)
        protocol: Any = next(iter(server.server_state.connections))
        taken = len(protocol.cycle.body) + len(protocol._held)
        writer.transport.abort()

    assert 0 < taken <= 1024 * 1024


async def test_bodies_among_them_are_whole() -> None:
    """A body longer than a slice belongs to its own request, also when it looks like requests."""
    app = App()
    app.may_answer.set()
    looks_like = _request(7) * 500
    async with open_http(app, host="127.0.0.1", port=0) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.address.rpartition(":")[2]))
        sent = []
        for number, body in enumerate((_BODY, looks_like, b"", looks_like, _BODY)):
            head = b"POST /%d HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % (number, len(body))
            writer.write(head + body + _request(number) * 100)
            sent += [b"/%d %d\n" % (number, len(body)), *[b"/%d 0\n" % number] * 100]
        async with asyncio.timeout(60):
            assert await _bodies(reader, len(sent)) == sent
        writer.close()


async def test_what_is_malformed_is_refused_after_the_rest() -> None:
    """Requests before it are answered; nothing behind it is."""
    app = App()
    app.may_answer.set()
    async with open_http(app, host="127.0.0.1", port=0) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.address.rpartition(":")[2]))
        writer.write(_request(1) * 500 + b"no request\r\n\r\n" + _request(2) * 500)
        async with asyncio.timeout(60):
            raw = await reader.read()
        writer.close()

    assert raw.count(b"/1 0\n") == 500
    assert b"/2 0\n" not in raw

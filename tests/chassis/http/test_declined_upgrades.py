"""Who offers another protocol besides is answered in the one that it speaks."""

import asyncio
from typing import Any

import pytest
from chassis.http.server import open_http

OFFERS = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n",
)
BODIES = (
    (b"", b""),
    (b"Content-Length: 5\r\n", b"hello"),
    (b"Transfer-Encoding: chunked\r\n", b"2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Late: 1\r\n\r\n"),
)
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what was asked."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    echoed = b"<%s %s %s>" % (scope["method"].encode(), scope["path"].encode(), body)
    length = (b"content-length", str(len(echoed)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": echoed})
    assert (b"x-late", b"1") not in scope["headers"]


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize(("framing", "body"), BODIES)
@pytest.mark.parametrize("pieces", [1, 2, 1000])
async def test_an_offer_is_declined(offer: bytes, framing: bytes, body: bytes, pieces: int) -> None:
    """The body is read, and what comes behind it, in whatever pieces."""
    request = b"POST /first HTTP/1.1\r\nHost: h\r\n" + offer + framing + b"\r\n" + body
    sent = request + request + LAST
    size = max(1, len(sent) // pieces)
    async with open_http(_app, host="127.0.0.1", port=0) as server:
        host, _, port = server.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for at in range(0, len(sent), size):
            writer.write(sent[at : at + size])
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()

    read = b"hello" if body else b""
    responses = [part.rpartition(b"<")[2] for part in answer.split(b">")[:-1]]
    assert responses == [b"POST /first " + read] * 2 + [b"GET /last "]
    assert answer.count(b"HTTP/1.1 200 ") == 3


async def test_what_is_no_http_behind_an_offer() -> None:
    """It is refused like all else."""
    async with open_http(_app, host="127.0.0.1", port=0) as server:
        host, _, port = server.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n" + OFFERS[0] + b"\r\n\0nonsense\r\n\r\n")
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()

    assert answer.count(b"HTTP/1.1 ") in (1, 2)

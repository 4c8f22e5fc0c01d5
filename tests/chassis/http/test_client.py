"""The client for untrusted servers: a response that was cut is never taken as whole."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from chassis.http.client import NotHttp, Progress, TooLarge, exchange


@asynccontextmanager
async def server_sending(response: bytes) -> AsyncIterator[str]:
    """Runs a server that sends these bytes to each client and closes; yields its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\n\r\nok", b"ok"),
    ],
)
async def test_whole_responses(response: bytes, body: bytes) -> None:
    """By length, by chunks, and by the end of the connection."""
    async with server_sending(response) as url:
        assert bytes((await exchange(url, progress=Progress())).body) == body


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
async def test_cut_responses(response: bytes) -> None:
    """Whatever announced how long it is and ends before."""
    async with server_sending(response) as url:
        with pytest.raises(NotHttp):
            await exchange(url, progress=Progress())


async def test_responses_before_the_final_one() -> None:
    """Neither their statuses nor their headers are the final one's; without an end they are too much."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"
    async with server_sending(early + b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n") as url:
        response = await exchange(url, progress=Progress())
    assert (response.status, response.headers) == (503, {"content-length": "0"})
    async with server_sending(early * 10_000) as url:
        with pytest.raises(TooLarge):
            await exchange(url, progress=Progress())

"""A gateway that stops continues to serve, and moves its clients to others."""

import asyncio

import pytest
from chassis.lifecycle import Stop

from tests.chassis.waiting import until
from tests.gateway.raw import HOST, parsed
from tests.gateway.stack import FakeUpstream, Gateway
from tests.waiting import WITHIN_SECONDS

WAITS_FOR_100 = (
    b"POST /api/auth/login HTTP/1.1\r\n"
    + HOST
    + b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
)
SILENT = b"GET /api/health HTTP/1.1\r\n" + HOST + b"\r\n"


async def test_answers_of_a_gateway_that_leaves_close_their_connections(gateway: Gateway) -> None:
    """Until it stops, responses close the connection, so that clients reconnect to another pod."""
    assert "connection" not in (await gateway.http.get("/health")).headers
    gateway.lifecycle.stop()
    leaving = asyncio.ensure_future(gateway.lifecycle.drain(Stop(1.0, 0, 1)))
    for _ in range(5):
        answer = await gateway.http.get("/api/health")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    await leaving


@pytest.mark.parametrize(
    ("framing", "part"),
    [(b"Content-Length: 20\r\n\r\n", b'{"em'), (b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\n{")],
)
async def test_a_body_that_outlives_the_grace(gateway: Gateway, framing: bytes, part: bytes) -> None:
    """Its request is answered as the contract has it, not in the server's own words."""
    reader, writer = await asyncio.open_connection(gateway.http.base_url.host, gateway.http.base_url.port)
    async with asyncio.timeout(WITHIN_SECONDS):
        writer.write(WAITS_FOR_100 + framing)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(part)
        gateway.lifecycle.stop()
        await gateway.lifecycle.drain(Stop(0, 0, 0))
        got = await reader.read()
    writer.close()

    _check_refusal(got)


async def test_a_call_that_outlives_the_grace(gateway: Gateway, upstream: FakeUpstream) -> None:
    """So is one that a service has not answered: the client may send it again, to another gateway."""
    upstream.answering.clear()
    reader, writer = await asyncio.open_connection(gateway.http.base_url.host, gateway.http.base_url.port)
    writer.write(SILENT + SILENT)
    await until(lambda: upstream.calls)
    gateway.lifecycle.stop()
    await gateway.lifecycle.drain(Stop(0, 0, 0))
    async with asyncio.timeout(WITHIN_SECONDS):
        got = await reader.read()
    writer.close()

    _check_refusal(got)


def _check_refusal(raw: bytes) -> None:
    """Checks that a client was answered once, and may send its request again elsewhere."""
    got = parsed(raw)
    assert raw.count(b"HTTP/1.1 ") == 1
    assert (got.status, got.code) == (503, "UNAVAILABLE")
    assert (got.headers["retry-after"], got.headers["connection"]) == ("1", "close")
    assert got.headers["x-request-id"] == got.body["metadata"]["request_id"]
    assert got.headers["x-content-type-options"] == "nosniff"

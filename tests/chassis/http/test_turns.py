"""A burst of requests with bodies does not delay reads, and each of them is still answered."""

import asyncio
from collections.abc import Iterable
from typing import Any

from chassis.http.declined_upgrades import UPGRADE_EXTENSION, Upgrade
from chassis.http.server import open_http

BURST = 40
LENGTH = [(b"content-length", b"1")]
GET = b"GET /read HTTP/1.1\r\nhost: h\r\n\r\n"


class _App:
    """Notes the requests in the order in which they are begun, and answers each."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.bodies: list[bytes] = []
        self.has_begun = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun.append(scope["path"])
        self.has_begun.set()
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": LENGTH})
        await send({"type": "http.response.body", "body": b"."})


def _post(number: int, body: bytes = b"x") -> bytes:
    return b"POST /%d HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n%b" % (number, len(body), body)


def _send_burst(app: _App, connections: Iterable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    """Sends one request with a body on each connection, of which the app has begun none."""
    app.begun.clear()
    app.has_begun.clear()
    for number, (_, writer) in enumerate(connections):
        writer.write(_post(number))


async def _connect(address: str, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Opens connections on which one request has been answered, so that the server knows each of them."""
    host, _, port = address.rpartition(":")
    connections = [await asyncio.open_connection(host, int(port)) for _ in range(count)]
    for connection in connections:
        connection[1].write(GET)
    await _answers(connections)
    return connections


async def _answers(
    connections: Iterable[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
) -> None:
    async with asyncio.timeout(20):
        for reader, _ in connections:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            assert await reader.readexactly(1) == b"."


async def test_a_read_waits_for_one_of_a_burst_at_most() -> None:
    """It arrives last and begins among the first; the others begin in the order in which they came."""
    app = _App()
    async with open_http(app, host="127.0.0.1", port=0) as server:
        connections = await _connect(server.address, BURST + 1)
        _send_burst(app, connections[:-1])
        connections[-1][1].write(GET)
        await _answers(connections)
        for _, writer in connections:
            writer.close()

    assert app.begun.index("/read") <= 2
    app.begun.remove("/read")
    assert app.begun == [f"/{number}" for number in range(BURST)]


async def test_what_arrives_while_a_request_waits_belongs_to_it() -> None:
    """Bodies come in pieces, and two requests of one connection are answered in order."""
    app = _App()
    async with open_http(app, host="127.0.0.1", port=0) as server:
        connections = await _connect(server.address, BURST)
        app.begun.clear()
        app.bodies.clear()
        requests = [_post(number, b"PATCH" * 100) + _post(number, b"second") for number in range(BURST)]
        for cut in range(0, len(requests[0]), 97):
            for request, (_, writer) in zip(requests, connections, strict=True):
                writer.write(request[cut : cut + 97])
            await asyncio.sleep(0)
        for request, (_, writer) in zip(requests, connections, strict=True):
            writer.write(request[len(requests[0]) // 97 * 97 + 97 :])
        await _answers(connections)
        await _answers(connections)
        for _, writer in connections:
            writer.close()

    assert sorted(app.bodies) == [b"PATCH" * 100] * BURST + [b"second"] * BURST
    assert sorted(app.begun) == sorted([f"/{number}" for number in range(BURST)] * 2)


async def test_what_waits_is_answered_before_the_server_stops() -> None:
    """It was accepted; the client cannot know that it was not read."""
    app = _App()
    async with open_http(app, host="127.0.0.1", port=0) as server:
        connections = await _connect(server.address, BURST)
        _send_burst(app, connections)
        await app.has_begun.wait()
        begun_before = len(app.begun)
        await server.stop(grace_seconds=5.0)
        await _answers(connections)
        for _, writer in connections:
            writer.close()

    assert begun_before < BURST == len(app.begun)


async def test_a_client_that_leaves_while_it_waits_delays_no_other() -> None:
    """Its request may be dropped; those behind it are answered."""
    app = _App()
    async with open_http(app, host="127.0.0.1", port=0) as server:
        connections = await _connect(server.address, BURST)
        _send_burst(app, connections)
        leaving, staying = connections[1::2], connections[::2]
        await app.has_begun.wait()
        for _, writer in leaving:
            writer.transport.abort()
        await _answers(staying)
        for _, writer in staying:
            writer.close()

    assert {f"/{number}" for number in range(0, BURST, 2)} <= set(app.begun)


async def test_what_waits_behind_an_offer_to_upgrade_declines_it() -> None:
    """Otherwise it would be answered on a connection that speaks another protocol."""
    offers: list[Upgrade] = []
    accepted: list[bool] = []
    offered, decided = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del receive
        if scope["path"] == "/offer":
            offers.append(scope["extensions"][UPGRADE_EXTENSION])
            offered.set()
            await decided.wait()
        elif scope["path"] == "/0":
            accepted.append(offers[0]([], asyncio.Protocol()))
            decided.set()
        await send({"type": "http.response.start", "status": 200, "headers": LENGTH})
        await send({"type": "http.response.body", "body": b"."})

    async with open_http(app, host="127.0.0.1", port=0) as server:
        host, _, port = server.address.rpartition(":")
        connections = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        offering = connections[-1]
        offering[1].write(b"GET /offer HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n")
        await offered.wait()
        for number, (_, writer) in enumerate(connections):
            writer.write(_post(number))
        await _answers([*connections, offering])
        for _, writer in connections:
            writer.close()

    assert accepted == [False]

"""Bounds of streams, each reached by a real client: idle time, lifetime, sizes, and what is read ahead."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chassis.ids import uuid7
from devstack.valkey import Valkey
from gateway.streams import timer, two_way_stream
from gateway.streams.inbox import Inbox

from tests.chassis.waiting import until
from tests.gateway.streaming import Echo, closed, opened, serving_bounded_echo
from tests.gateway.test_stream_frames import frame
from tests.user_service.auth_stand_in import AuthStandIn
from tests.waiting import SLOW_MACHINE_SECONDS

Bounded = Callable[..., AbstractAsyncContextManager[Echo]]


@pytest.fixture(name="bounded")
def _bounded(
    monkeypatch: pytest.MonkeyPatch, auth: AuthStandIn, valkey: Valkey, descriptors: Path
) -> Bounded:
    return partial(serving_bounded_echo, monkeypatch, auth, valkey, descriptors)


async def test_idle_websocket(bounded: Bounded) -> None:
    """4408 when no message comes from the client for so long, however much the service sends."""
    async with bounded(idle_seconds=2.0) as echo, echo.talk() as client:
        started = time.monotonic()
        for _ in range(3):
            await asyncio.sleep(0.8)
            await client.send('{"say": "a"}')
        assert await closed(client) == (4408, "REQUEST_TIMEOUT")
        assert time.monotonic() - started > 3 * 0.8 + 1.9


async def test_one_byte_at_a_time_is_idle(bounded: Bounded) -> None:
    """A frame that never becomes whole is no message, however many of its bytes come."""
    async with bounded(idle_seconds=1.0) as echo:
        client = await echo.talk()
        closing = asyncio.ensure_future(closed(client))
        for byte in frame(2, b"x" * 100):
            if closing.done():
                break
            client.transport.write(bytes([byte]))
            await asyncio.sleep(0.1)
        assert closing.done()
        assert await closing == (4408, "REQUEST_TIMEOUT")


async def test_lifetime_of_a_websocket(bounded: Bounded) -> None:
    """4504 when it is over, whatever is being said; it is announced in the handshake."""
    async with bounded(lifetime_seconds=1.5) as echo, echo.talk() as client:
        assert client.response is not None
        assert client.response.headers["Stream-Lifetime"] == "2"
        started = time.monotonic()
        await client.send('{"flood": 100000}')
        assert await closed(client) == (4504, "DEADLINE_EXCEEDED")
        assert 1 < time.monotonic() - started < SLOW_MACHINE_SECONDS
    await until(lambda: not opened() and not echo.service.open)


async def test_a_reader_of_events_that_blocks_is_idle(bounded: Bounded, capsys: Any) -> None:
    """A client that takes nothing gets no message, so it is ended as if the service sent none."""
    async with bounded(idle_seconds=1.0) as echo:
        base = echo.http.base_url
        reader, writer = await asyncio.open_connection(base.host, base.port, limit=1024)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(
            b"GET /api/echo/count?padding=10000 HTTP/1.1\r\nHost: vestibule\r\n"
            b"Authorization: Bearer " + echo.token().encode() + b"\r\n\r\n"
        )
        await until(lambda: opened("Count") == 1)
        started = time.monotonic()
        await until(lambda: not opened("Count") and not echo.service.open)
        assert time.monotonic() - started < 20
        writer.transport.abort()
        logged = ""

        def written() -> bool:
            nonlocal logged
            logged += capsys.readouterr().out
            return "end=idle" in logged

        await until(written)


async def test_the_largest_message(echo: Echo) -> None:
    """`message_bytes` counts the content of a frame both ways: what may come in may go out."""
    async with echo.talk(max_size=None) as client:
        await client.send(b"x" * 65_536)
        assert await client.recv() == b"x" * 65_536
        await client.send(b"x" * 65_537)
        assert await closed(client) == (1009, "PAYLOAD_TOO_LARGE")


async def test_every_frame_keeps_to_the_rules_of_its_field(bounded: Bounded) -> None:
    """Not only the first, which is read in full."""
    async with bounded(received_bytes=100_000) as echo, echo.talk(max_size=None) as client:
        for length in (1, 65_536):
            await client.send(b"x" * length)
            assert await client.recv() == b"x" * length
        await client.send(b"x" * 65_537)
        assert await closed(client) == (1007, "VALIDATION_ERROR")


async def test_a_service_that_sends_too_much(bounded: Bounded) -> None:
    """It is the service's fault, so the code is not that of a client's message."""
    async with bounded(message_bytes=100) as echo, echo.talk() as client:
        await client.send(json.dumps({"say": "x" * 200}))
        assert await closed(client) == (1011, "INTERNAL")


async def test_a_token_behind_messages_that_are_not_taken(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read although the service reads nothing, so that the stream goes on."""
    monkeypatch.setattr(timer, "WARNING_SECONDS", 5.0)
    user = uuid7()
    connection = socket.create_connection((echo.http.base_url.host, echo.http.base_url.port))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    async with echo.talk(echo.token(user_id=user, seconds=10), sock=connection) as client:
        started = time.monotonic()
        await client.send('{"sleep_milliseconds": 60000}')
        await _send_until_blocked(client)
        assert time.monotonic() - started < 4.5, "this machine is too slow for the test"
        await asyncio.wait_for(client.send(json.dumps({"auth": echo.token(user_id=user)})), 6)
        await asyncio.sleep(11 - (time.monotonic() - started))
        assert (client.close_code, opened(), echo.service.received) == (None, 1, 1)
        client.transport.abort()


async def _send_until_blocked(client: Any) -> None:
    sent = 0
    with suppress(TimeoutError):
        while sent < 30_000_000:
            await asyncio.wait_for(client.send(b"x" * 60_000), 1)
            sent += 60_000
    assert sent < 30_000_000, "the service has read"


@pytest.mark.parametrize(("seconds", "data", "most"), [(600, b"x" * 60_000, 1), (20, b"", 3_000)])
async def test_what_is_read_ahead_is_bounded(
    echo: Echo, monkeypatch: pytest.MonkeyPatch, seconds: int, data: bytes, most: int
) -> None:
    """Nothing while the token is good for long; otherwise 100,000 bytes, of messages of any size."""
    monkeypatch.setattr(two_way_stream, "READ_AHEAD_BYTES", 100_000)
    waiting = 0
    put = Inbox.put

    def counted(self: Inbox, message: bytes | str) -> None:
        nonlocal waiting
        put(self, message)
        waiting = max(waiting, len(self))

    monkeypatch.setattr(Inbox, "put", counted)
    async with echo.talk(echo.token(seconds=seconds)) as client:
        await client.send('{"sleep_milliseconds": 60000}')
        filling = asyncio.ensure_future(_fill(client, data))
        await asyncio.sleep(1.5)
        filling.cancel()
        client.transport.abort()
        await asyncio.gather(filling, return_exceptions=True)
    assert 1 <= waiting <= most


async def _fill(client: Any, data: bytes) -> None:
    for _ in range(10_000):
        await client.send(data)

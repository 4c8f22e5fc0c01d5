"""One stream by itself: its bounds, and events of messages of any shape."""

import asyncio
import math
from collections.abc import AsyncGenerator

import pytest
from gateway.streams import event_stream as events
from gateway.streams.bounds import Bounds
from gateway.streams.event_stream import EventStream
from gateway.streams.events import compile_event
from gateway.streams.registry import StreamRegistry
from vestibule.health.v1 import health_service_pb2


async def endless(*first: bytes) -> AsyncGenerator[bytes, None]:
    """Yields messages, and then nothing more, for ever."""
    for each in first:
        yield each
    await asyncio.Event().wait()


async def parts(bounds: Bounds, *first: bytes, token_seconds: float = math.inf) -> bytes:
    """Returns what a stream of these messages sends until it ends by itself."""
    place = StreamRegistry().open("test", "client", bounds)
    stream = EventStream(endless(*first), lambda raw: b"<" + raw + b">", place, bounds, token_seconds)
    async with asyncio.timeout(5):
        sent = [part async for part in stream.parts()]
    await stream.close()
    return b"".join(sent)


async def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lifetime (told, and warned of), idle time, the token's expiry and the size of a message."""
    monkeypatch.setattr(events, "WARNING_SECONDS", 0.1)
    ends = b'event: end\ndata: {"reason":"%b"}\n\n'

    over = await parts(Bounds(lifetime_seconds=0.2), b"a")
    assert over == b": connected, for 0 s at most\n\n<a>: ends in 0 s\n\n" + ends % b"lifetime"
    assert (await parts(Bounds(idle_seconds=0.1), b"a")).endswith(b"<a>" + ends % b"idle")
    expired = await parts(Bounds(lifetime_seconds=9), b"a", token_seconds=0.1)
    assert b"event: error\n" in expired
    assert b'"TOKEN_EXPIRED"' in expired
    large = await parts(Bounds(message_bytes=2), b"aa", b"aaa", b"a")
    assert large.partition(b"<aa>")[2].startswith(b'event: error\ndata: {"code":"INTERNAL"')


async def test_a_third_party_message_without_id_or_oneof() -> None:
    """A message of another shape is an event `message` as a whole."""
    event = compile_event(health_service_pb2.ComponentChange.DESCRIPTOR)
    told = event(health_service_pb2.ComponentChange(name="redis").SerializeToString())

    assert told.startswith(b'event: message\ndata: {"name":"redis"')

"""Streams: the same rules as for calls, and an end that is always told."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from chassis.errors import (
    NotFound,
    RemoteError,
    Unavailable,
)
from chassis.grpc import committed
from vestibule.events.v1.events_pb2 import Event
from vestibule.health.v1 import health_service_pb2

from tests.chassis.grpc.hall import (
    Hall,
)


def event(tag: str) -> Event:
    """Returns an event that is told from others by its tag."""
    return Event(tags=[tag])


def messages(*names: str) -> list[health_service_pb2.StreamHealthResponse]:
    """Returns messages of a stream, told apart by their ids."""
    return [health_service_pb2.StreamHealthResponse(event_id=name) for name in names]


async def test_streams(hall: Hall) -> None:
    """A stream brings its messages, then what was committed, or the error that ended it."""

    async def succeed(request: Any, context: Any) -> AsyncIterator[Any]:
        for message in messages("1", "2"):
            yield message
        committed.note(event("a"))

    async def fail(request: Any, context: Any) -> AsyncIterator[Any]:
        yield messages("1")[0]
        raise NotFound

    request = health_service_pb2.StreamHealthRequest()
    events = committed.collect()
    hall.script.streams["StreamHealth"] = succeed
    got = [message.event_id async for message in hall.health.StreamHealth(request)]
    hall.script.streams["StreamHealth"] = fail
    stream = aiter(hall.health.StreamHealth(request))
    first = await anext(stream)
    with pytest.raises(RemoteError, match="NOT_FOUND"):
        await anext(stream)

    assert got == ["1", "2"]
    assert [tag for each in events for tag in each.event.tags] == ["a"]
    assert first.event_id == "1"


async def test_streams_are_validated(hall: Hall) -> None:
    """What holds for calls holds for streams."""
    request = health_service_pb2.StreamHealthRequest(last_event_id="x" * 65)
    with pytest.raises(RemoteError, match="VALIDATION_ERROR"):
        await anext(aiter(hall.health.StreamHealth(request)))


async def test_streams_do_not_hold_up_a_stop(hall: Hall) -> None:
    """Their clients are told to come back elsewhere, at once."""

    async def endless(request: Any, context: Any) -> AsyncIterator[Any]:
        yield messages("1")[0]
        await asyncio.Event().wait()

    hall.script.streams["StreamHealth"] = endless
    stream = aiter(hall.health.StreamHealth(health_service_pb2.StreamHealthRequest()))
    await anext(stream)
    started = time.monotonic()
    await hall.server.stop(5)
    with pytest.raises(Unavailable):
        await anext(stream)

    assert time.monotonic() - started < 1


async def test_stream_in_the_middle_of_sending_ends_too(hall: Hall) -> None:
    """A stop that strikes while a message is on its way leaves no call without an end."""

    async def chatty(request: Any, context: Any) -> AsyncIterator[Any]:
        while True:
            yield messages("1")[0]

    hall.script.streams["StreamHealth"] = chatty
    stream = aiter(hall.health.StreamHealth(health_service_pb2.StreamHealthRequest()))
    await anext(stream)
    stopping = asyncio.create_task(hall.server.stop(5))
    started = time.monotonic()
    with pytest.raises(Unavailable):
        async for _ in stream:
            pass
    await stopping

    assert time.monotonic() - started < 2


async def test_stream_that_its_client_leaves(hall: Hall) -> None:
    """The servicer's generator is closed when nobody listens any more."""
    closed = asyncio.Event()

    async def endless(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            yield messages("1")[0]
            await asyncio.Event().wait()
        finally:
            closed.set()

    hall.script.streams["StreamHealth"] = endless
    stream: Any = hall.health.StreamHealth(health_service_pb2.StreamHealthRequest())
    await anext(stream)
    await stream.aclose()
    await asyncio.wait_for(closed.wait(), 2)

"""Streams: the same rules as for calls, and an end that is always reported."""

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

from tests.chassis.grpc.stack import (
    Stack,
)
from tests.waiting import SLOW_MACHINE_SECONDS, WITHIN_SECONDS


def event(tag: str) -> Event:
    """Returns an event with a distinct tag."""
    return Event(tags=[tag])


def messages(*names: str) -> list[health_service_pb2.StreamHealthResponse]:
    """Returns messages of a stream, with distinct ids."""
    return [health_service_pb2.StreamHealthResponse(event_id=name) for name in names]


async def test_streams(stack: Stack) -> None:
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
    stack.script.streams["StreamHealth"] = succeed
    got = [message.event_id async for message in stack.health.StreamHealth(request)]
    stack.script.streams["StreamHealth"] = fail
    stream = aiter(stack.health.StreamHealth(request))
    first = await anext(stream)
    with pytest.raises(RemoteError, match="NOT_FOUND"):
        await anext(stream)

    assert got == ["1", "2"]
    assert [tag for each in events for tag in each.event.tags] == ["a"]
    assert first.event_id == "1"


async def test_streams_are_validated(stack: Stack) -> None:
    """What holds for calls holds for streams."""
    request = health_service_pb2.StreamHealthRequest(last_event_id="x" * 65)
    with pytest.raises(RemoteError, match="VALIDATION_ERROR"):
        await anext(aiter(stack.health.StreamHealth(request)))


async def test_streams_do_not_hold_up_a_stop(stack: Stack) -> None:
    """Their clients reconnect elsewhere at once."""

    async def endless(request: Any, context: Any) -> AsyncIterator[Any]:
        yield messages("1")[0]
        await asyncio.Event().wait()

    stack.script.streams["StreamHealth"] = endless
    stream = aiter(stack.health.StreamHealth(health_service_pb2.StreamHealthRequest()))
    await anext(stream)
    started = time.monotonic()
    await stack.server.stop(60)
    with pytest.raises(Unavailable):
        await anext(stream)

    assert time.monotonic() - started < SLOW_MACHINE_SECONDS


async def test_stream_in_the_middle_of_sending_ends_too(stack: Stack) -> None:
    """A stop that strikes while a message is on its way leaves no call without an end."""

    async def chatty(request: Any, context: Any) -> AsyncIterator[Any]:
        while True:
            yield messages("1")[0]

    stack.script.streams["StreamHealth"] = chatty
    stream = aiter(stack.health.StreamHealth(health_service_pb2.StreamHealthRequest()))
    await anext(stream)
    stopping = asyncio.create_task(stack.server.stop(60))
    started = time.monotonic()
    with pytest.raises(Unavailable):
        async for _ in stream:
            pass
    await stopping

    assert time.monotonic() - started < SLOW_MACHINE_SECONDS


async def test_stream_that_its_client_leaves(stack: Stack) -> None:
    """The servicer's generator is closed when the client has left."""
    closed = asyncio.Event()

    async def endless(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            yield messages("1")[0]
            await asyncio.Event().wait()
        finally:
            closed.set()

    stack.script.streams["StreamHealth"] = endless
    stream: Any = stack.health.StreamHealth(health_service_pb2.StreamHealthRequest())
    await anext(stream)
    await stream.aclose()
    await asyncio.wait_for(closed.wait(), WITHIN_SECONDS)

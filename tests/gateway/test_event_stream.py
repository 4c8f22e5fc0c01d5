"""One stream from a service by itself: its bounds, both forms, and events of messages of any shape."""

import asyncio
import json
import math
import time
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest
from chassis.errors import Draining, ServiceError, TokenRevoked, Unavailable
from chassis.identity.caller import Caller
from gateway.streams import timer
from gateway.streams.bounds import Bounds
from gateway.streams.ends import DRAINING, failed
from gateway.streams.event_stream import EventStream
from gateway.streams.framing import JSON_LINES, SERVER_SENT_EVENTS, Framing, framing_for
from gateway.streams.messages import StreamEvent, compile_event, compile_frame
from gateway.streams.open_stream import Holder, OpenStream
from gateway.streams.service_messages import ServiceMessages
from vestibule.health.v1 import health_service_pb2

from tests.fakes.echo_service import message, message_type
from tests.waiting import SLOW_MACHINE_SECONDS


async def endless(*first: bytes) -> AsyncGenerator[bytes, None]:
    """Yields messages, and then nothing more, for ever."""
    for each in first:
        yield each
    await asyncio.Event().wait()


def opened(bounds: Bounds, token_seconds: float = math.inf) -> OpenStream:
    """Returns a stream of this test alone."""
    stream = OpenStream("1", Holder("Test", "client", Caller()), bounds, lambda _: None)
    stream.timer = timer.StreamTimer(bounds, token_seconds)
    return stream


async def parts(
    bounds: Bounds, *first: bytes, token_seconds: float = math.inf, framing: Framing = SERVER_SENT_EVENTS
) -> bytes:
    """Returns what a stream of these messages sends until it ends by itself."""
    request: Any = SimpleNamespace()

    def event(raw: bytes) -> StreamEvent:
        return StreamEvent("message", b'"%b"' % raw, None)

    events = EventStream(
        request, ServiceMessages(endless(*first), opened(bounds, token_seconds)), event, framing
    )
    async with asyncio.timeout(SLOW_MACHINE_SECONDS):
        sent = [part async for part in events.parts()]
    await events.close()
    return b"".join(sent)


async def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lifetime (announced, and warned of), idle time, the token's expiry and the size of a message."""
    monkeypatch.setattr(timer, "WARNING_SECONDS", 0.1)
    ends = b'event: end\ndata: {"reason":"%b"}\n\n'
    a = b'event: message\ndata: "a"\n\n'

    over = await parts(Bounds(lifetime_seconds=0.3), b"a")
    assert over == b": connected, for 0 s at most\n\n" + a + b'event: ending\ndata: {"seconds":0}\n\n' + (
        ends % b"lifetime"
    )
    assert (await parts(Bounds(idle_seconds=0.1), b"a")).endswith(a + ends % b"idle")
    expired = await parts(Bounds(lifetime_seconds=9), b"a", token_seconds=0.1)
    assert b"event: error\n" in expired
    assert b'"TOKEN_EXPIRED"' in expired
    large = await parts(Bounds(message_bytes=2), b"aa", b"aaa", b"a")
    assert large.partition(b'"aa"\n\n')[2].startswith(b'event: error\ndata: {"code":"INTERNAL"')


async def test_a_first_message_that_is_too_large_is_an_ordinary_error() -> None:
    """It is known before the head is sent."""
    request: Any = SimpleNamespace(gone=asyncio.Event().wait)
    messages = ServiceMessages(endless(b"aaa"), opened(Bounds(message_bytes=2)))
    events = EventStream(request, messages, lambda raw: StreamEvent("message", raw, None), SERVER_SENT_EVENTS)

    with pytest.raises(ServiceError):
        await events.begin()
    await events.close()


async def test_a_short_stream_is_not_warned() -> None:
    """What lasts no longer than the warning would be early announces its end at the start."""
    assert b"ending" not in await parts(Bounds(lifetime_seconds=0.2))


async def test_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line is an object with the event's name and data."""
    monkeypatch.setattr(timer, "WARNING_SECONDS", 0.1)
    sent = await parts(Bounds(lifetime_seconds=0.3), b"a", framing=JSON_LINES)

    assert [json.loads(line) for line in sent.splitlines()] == [
        {"event": "message", "data": "a"},
        {"event": "ending", "data": {"seconds": 0}},
        {"event": "end", "data": {"reason": "lifetime"}},
    ]


def test_the_last_event() -> None:
    """A stream that ends because something stops or is away says when to come back; one that failed, why."""
    for end in (DRAINING, failed(Draining())):
        assert SERVER_SENT_EVENTS.last(end).startswith(b"retry: ")
        assert json.loads(JSON_LINES.last(end))["data"]["retry"] >= 500
    away = failed(Unavailable())
    assert SERVER_SENT_EVENTS.last(away).startswith(b"retry: ")
    assert json.loads(JSON_LINES.last(away))["retry"] >= 500
    assert b"retry" not in SERVER_SENT_EVENTS.last(failed(TokenRevoked()))
    revoked = json.loads(JSON_LINES.last(failed(TokenRevoked())))
    assert revoked["event"] == "error"
    assert revoked["data"]["code"] == "TOKEN_REVOKED"


@pytest.mark.parametrize(
    ("accept", "lines"),
    [
        ("", False),
        ("*/*", False),
        ("text/event-stream", False),
        ("application/json", False),
        ("application/x-ndjson", True),
        ("application/x-ndjson, */*;q=0.5", True),
        ("Application/X-NDJSON;q=0.9", True),
        ("text/event-stream, application/x-ndjson;q=0.5", False),
        ("text/event-stream;q=0.5, application/x-ndjson", True),
        ("application/x-ndjson;q=0", False),
        (";;,,q=, /", False),
    ],
)
def test_the_form_that_a_client_prefers(accept: str, lines: bool) -> None:
    """JSON lines only where they are named."""
    assert (framing_for(accept) is JSON_LINES) == lines


def test_events_of_messages() -> None:
    """The member of the oneof that is set names the event; a message of another shape is shown as a whole."""
    whole = compile_event(health_service_pb2.ComponentChange.DESCRIPTOR)
    event = whole(health_service_pb2.ComponentChange(name="redis").SerializeToString())
    counted = compile_event(message_type("CountResponse").DESCRIPTOR)
    number = message("CountResponse", number_id="7", round=message("Number", value=7))
    mixed = compile_event(message_type("TalkResponse").DESCRIPTOR)
    said = mixed(message("TalkResponse", room="blue", said="a").SerializeToString())

    assert (event.name, event.identifier) == ("message", None)
    assert json.loads(event.data)["name"] == "redis"
    assert counted(number.SerializeToString()) == StreamEvent("round", b'{"value":7,"padding":""}', "7")
    assert said.name == "said"
    assert json.loads(said.data)["room"] == "blue"


def test_frames_of_messages() -> None:
    """Text frames show the members that are set; the marked bytes are a binary frame."""
    frame = compile_frame(message_type("TalkResponse").DESCRIPTOR)
    text, is_binary = frame(message("TalkResponse", room="blue", said="a").SerializeToString())

    assert (json.loads(text), is_binary) == ({"room": "blue", "said": "a"}, False)
    assert frame(message("TalkResponse", room="blue", audio=b"\x00").SerializeToString()) == (b"\x00", True)
    assert json.loads(frame(b"")[0]) == {"room": ""}


@pytest.mark.parametrize("part", ["a", "a/a;", "q ", ";q=", " ", "a/a,"])
def test_a_long_accept_takes_no_time(part: str) -> None:
    """Whatever it holds: other clients wait meanwhile."""
    started = time.process_time()
    framing_for(part * 8000)
    assert time.process_time() - started < 0.2

"""The two forms of a stream from a service: Server-Sent Events (WHATWG HTML, 9.2) and JSON lines.

Both hold the same: events with a name, data and perhaps an identifier, something when there is nothing to
send, a warning before the end, and an `end` or an `error` as the last event.
"""

import random
import re
from typing import Protocol

import orjson

from gateway.http.problems import error_object
from gateway.http.response import Header
from gateway.streams.ends import End, ends_many
from gateway.streams.messages import StreamEvent

HEADERS: list[Header] = [
    # nginx buffers responses unless they say this; other proxies do not hold streams back.
    (b"x-accel-buffering", b"no"),
    # Nothing that is sent behind a request for a stream is answered.
    (b"connection", b"close"),
]
RETRY_MILLISECONDS = (500, 3000)

_QUALITY = re.compile(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*")


class Framing(Protocol):
    """How events are written."""

    content_type: bytes
    heartbeat: bytes

    def opening(self, lifetime_seconds: float) -> bytes:
        """Returns what a stream begins with: how long it may last."""
        ...

    def event(self, event: StreamEvent) -> bytes:
        """Returns a message of the service."""
        ...

    def ending(self, seconds: float) -> bytes:
        """Returns the warning that the stream ends soon."""
        ...

    def last(self, end: End) -> bytes:
        """Returns the last event."""
        ...


class ServerSentEvents:
    """`text/event-stream`."""

    content_type = b"text/event-stream"
    heartbeat = b": alive\n\n"

    def opening(self, lifetime_seconds: float) -> bytes:
        """Returns a comment."""
        return f": connected, for {round(lifetime_seconds)} s at most\n\n".encode()

    def event(self, event: StreamEvent) -> bytes:
        """Returns an event."""
        identifier = b"" if event.identifier is None else b"id: %b\n" % _line(event.identifier).encode()
        return b"%bevent: %b\ndata: %b\n\n" % (identifier, event.name.encode(), event.data)

    def ending(self, seconds: float) -> bytes:
        """Returns an event `ending`."""
        return b'event: ending\ndata: {"seconds":%d}\n\n' % round(seconds)

    def last(self, end: End) -> bytes:
        """Returns `end` or `error`; clients that come back together learn when to."""
        retry = b"retry: %d\n" % _retry_milliseconds() if ends_many(end) else b""
        if end.error is not None:
            return b"%bevent: error\ndata: %b\n\n" % (retry, error_object(end.error))
        return b'%bevent: end\ndata: {"reason":"%b"}\n\n' % (retry, end.reason.encode())


class JsonLines:
    """`application/x-ndjson`: objects with `event`, `id` and `data`; empty lines are heartbeats."""

    content_type = b"application/x-ndjson"
    heartbeat = b"\n"

    def opening(self, lifetime_seconds: float) -> bytes:
        """Returns nothing: the headers say how long the stream may last."""
        del lifetime_seconds
        return b""

    def event(self, event: StreamEvent) -> bytes:
        """Returns a line."""
        identifier = b"" if event.identifier is None else b',"id":%b' % orjson.dumps(event.identifier)
        return b'{"event":"%b"%b,"data":%b}\n' % (event.name.encode(), identifier, event.data)

    def ending(self, seconds: float) -> bytes:
        """Returns a line `ending`."""
        return b'{"event":"ending","data":{"seconds":%d}}\n' % round(seconds)

    def last(self, end: End) -> bytes:
        """Returns `end` or `error`; clients that come back together learn when to."""
        retry = b',"retry":%d' % _retry_milliseconds() if ends_many(end) else b""
        if end.error is not None:
            return b'{"event":"error","data":%b%b}\n' % (error_object(end.error), retry)
        return b'{"event":"end","data":{"reason":"%b"%b}}\n' % (end.reason.encode(), retry)


SERVER_SENT_EVENTS: Framing = ServerSentEvents()
JSON_LINES: Framing = JsonLines()


def framing_for(accept: str) -> Framing:
    """Returns the form that an `Accept` header prefers: JSON lines only where it names them."""
    qualities = dict(map(_quality, accept.lower().split(",")))
    lines = qualities.get(JSON_LINES.content_type.decode(), 0.0)
    return JSON_LINES if lines and lines >= qualities.get("text/event-stream", 0.0) else SERVER_SENT_EVENTS


def _quality(media_range: str) -> tuple[str, float]:
    """Returns the type that a range of `Accept` names, and how much it is preferred."""
    media_type, *parameters = media_range.split(";")
    found = next(filter(None, map(_QUALITY.fullmatch, parameters)), None)
    return media_type.strip(), 1.0 if found is None else float(found[1])


def _retry_milliseconds() -> int:
    """Returns when to come back: not all clients in the same moment."""
    return random.randint(*RETRY_MILLISECONDS)  # noqa: S311 no secret


def _line(text: str) -> str:
    return text.replace("\n", "").replace("\r", "").replace("\0", "")

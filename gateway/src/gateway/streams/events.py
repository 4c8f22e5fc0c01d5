"""Server-Sent Events: messages, comments and ends as browsers read them (WHATWG HTML, 9.2)."""

import random
from collections.abc import Callable
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor
from google.protobuf.message_factory import GetMessageClass

from gateway.api.encoder import compile_encoder
from gateway.api.fields import stream_oneof

CONTENT_TYPE = b"text/event-stream"
HEADERS = [
    # nginx passes on as it comes what says so; others do not hold streams back.
    (b"x-accel-buffering", b"no"),
    # Nothing that is sent behind a request for a stream is answered.
    (b"connection", b"close"),
]
ALIVE = b": alive\n\n"
RETRY_MILLISECONDS = (500, 3000)

_ID_FIELD = "event_id"


def compile_event(output: Descriptor) -> Callable[[bytes], bytes]:
    """Returns what makes an event of a serialized message.

    The member of the message's oneof that is set names the event and is its data; a message
    without one is an event `message` as a whole. The field `event_id` is its `id`.
    """
    parse, encode, oneof = GetMessageClass(output).FromString, compile_encoder(output), stream_oneof(output)
    has_id = _ID_FIELD in output.fields_by_name
    # A message that is nothing but its oneof is shown as the member that is set.
    is_member = len(output.fields) == len(output.oneofs_by_name[oneof].fields) if oneof else True

    def event(raw: bytes) -> bytes:
        message = parse(raw)
        shown = encode(message)
        name = (message.WhichOneof(oneof) if oneof else None) or "message"
        data: Any = shown if is_member else shown.get(name)
        identifier = f"id: {_line(getattr(message, _ID_FIELD))}\n" if has_id else ""
        return f"{identifier}event: {name}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"

    return event


def opening(lifetime_seconds: float) -> bytes:
    """Returns what a stream begins with: how long it lasts at most."""
    return f": connected, for {round(lifetime_seconds)} s at most\n\n".encode()


def warning(seconds: float) -> bytes:
    """Returns what tells that a stream ends soon."""
    return f": ends in {round(seconds)} s\n\n".encode()


def end(reason: str, *, come_back: bool = False) -> bytes:
    """Returns the last event of a stream that is over.

    Args:
        reason: Why, for the reader.
        come_back: Whether clients shall come back soon, and not all in the same moment.
    """
    retry = f"retry: {random.randint(*RETRY_MILLISECONDS)}\n" if come_back else ""  # noqa: S311 no secret
    return f'{retry}event: end\ndata: {{"reason":"{reason}"}}\n\n'.encode()


def failure(error: bytes) -> bytes:
    """Returns the last event of a stream that failed, of the contract's error object as JSON."""
    return b"event: error\ndata: " + error + b"\n\n"


def _line(text: str) -> str:
    return text.replace("\n", "").replace("\r", "").replace("\0", "")

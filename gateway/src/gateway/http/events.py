"""Server-Sent Events: a stream of messages as browsers read it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import orjson

HEARTBEAT_SECONDS = 15.0
CONTENT_TYPE = b"text/event-stream"


async def server_sent(
    messages: AsyncIterator[bytes], parse: Callable[[bytes], Any], encode: Callable[[Any], Any], oneof: str
) -> AsyncGenerator[bytes, None]:
    """Yields messages as events, and a comment when there is nothing to say for a while.

    Args:
        messages: The messages, serialized.
        parse: Makes a message of bytes.
        encode: Makes JSON values of a message.
        oneof: The oneof whose member that is set names the event and is its data.
    """
    iterator = aiter(messages)
    # A stream that says nothing at first must still begin.
    yield b": connected\n\n"
    pending: asyncio.Task[bytes] | None = None
    try:
        while True:
            if pending is None:
                pending = asyncio.ensure_future(anext(iterator))
            done, _ = await asyncio.wait({pending}, timeout=HEARTBEAT_SECONDS)
            if not done:
                yield b": alive\n\n"
                continue
            try:
                raw = pending.result()
            except StopAsyncIteration:
                return
            pending = None
            yield event(parse(raw), encode, oneof)
    finally:
        if pending is not None:
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                await pending
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


def event(message: Any, encode: Callable[[Any], Any], oneof: str) -> bytes:
    """Returns one event: `id` from `event_id`, `event` from the oneof, `data` in one line."""
    name = message.WhichOneof(oneof) or "message"
    data = orjson.dumps(encode(message)[name])
    identifier = message.event_id.replace("\n", "")
    return f"id: {identifier}\nevent: {name}\ndata: ".encode() + data + b"\n\n"

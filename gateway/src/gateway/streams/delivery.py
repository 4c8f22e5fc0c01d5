"""Sends a response part by part, as long as its client is there and takes it."""

import asyncio
from collections.abc import AsyncIterable
from typing import Any

from gateway.http.request import Request
from gateway.http.response import Send
from gateway.streams.ends import CLIENT_GONE, End, is_for_the_token
from gateway.streams.open_stream import OpenStream

LAST_PART_SECONDS = 1.0
"""How long the client may take for what is on its way when the stream is over."""


async def send_parts(
    parts: AsyncIterable[bytes], request: Request, send: Send, stream: OpenStream
) -> End | None:
    """Sends parts until there are no more, the client has left, or does not take the last ones.

    Args:
        parts: The parts; the last ones say that the stream is over when it is.
        request: The request that they answer.
        send: Sends; the head is sent already.
        stream: In the registry.

    Returns:
        Why the client did not take all of it; None when it did.
    """

    async def sending() -> None:
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    sent, gone = asyncio.ensure_future(sending()), asyncio.ensure_future(request.gone())
    tasks = {sent, gone}
    over: End | None = None
    try:
        while over is None and not _any_done(tasks):
            awaited: set[asyncio.Future[Any]] = {*tasks, stream.ended}
            timeout = stream.timer.seconds_to_end
            await asyncio.wait(awaited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            over = stream.ended.result() if stream.ended.done() else stream.timer.end()
        if not _any_done(tasks):
            await asyncio.wait(tasks, timeout=LAST_PART_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not _any_done(tasks) and request.abort is not None:
            request.abort(reset=over is not None and is_for_the_token(over))
        complete = sent.done()
    finally:
        for task in tasks:
            task.cancel()
        failure, _ = await asyncio.gather(sent, gone, return_exceptions=True)
    if isinstance(failure, Exception):
        raise failure
    return None if complete else over or CLIENT_GONE


def _any_done(tasks: "set[asyncio.Task[None]]") -> bool:
    return any(task.done() for task in tasks)

"""Sends an answer that comes part by part, as long as its client is there and takes it."""

import asyncio

from gateway.http.request import Request, Send
from gateway.http.response import Stream

LAST_PART_SECONDS = 1.0
"""How long the client may take for what is on its way when the stream is over."""


async def send_until_gone(stream: Stream, request: Request, send: Send) -> None:
    """Sends a stream's parts until it ends, or the client goes, or does not take its end.

    The caller closes the stream.
    """

    async def sending() -> None:
        async for part in stream.parts():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    tasks = asyncio.ensure_future(request.gone()), asyncio.ensure_future(sending())
    try:
        await asyncio.wait(
            {*tasks, stream.stopped},
            timeout=stream.lifetime_seconds + LAST_PART_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not any(task.done() for task in tasks):
            await asyncio.wait(tasks, timeout=LAST_PART_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not any(task.done() for task in tasks) and request.abort is not None:
            request.abort()
    finally:
        for task in tasks:
            task.cancel()
        _, sent = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(sent, Exception):
        raise sent

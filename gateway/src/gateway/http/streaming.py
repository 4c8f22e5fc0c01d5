"""Sends a body part by part, as long as its client is there and takes it."""

import asyncio
from collections.abc import AsyncIterable
from typing import Any

from gateway.http.request import Request
from gateway.http.response import Send

LAST_PART_SECONDS = 1.0
"""How long the client may take for what is on its way when the stream is over."""


async def send_parts(
    parts: AsyncIterable[bytes],
    request: Request,
    send: Send,
    *,
    ended: "asyncio.Future[Any]",
    seconds_max: float,
) -> bool:
    """Sends parts until there are no more, the client has left, or does not take the last ones.

    Args:
        parts: The parts.
        request: The request that they answer.
        send: Sends; the head is sent already.
        ended: Done when the stream is to end, which the parts say to the client.
        seconds_max: How long all of it may take.

    Returns:
        Whether the client took all of it.
    """

    async def sending() -> None:
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    sent = asyncio.ensure_future(sending())
    tasks = asyncio.ensure_future(request.gone()), sent
    try:
        await asyncio.wait(
            {*tasks, ended}, timeout=seconds_max + LAST_PART_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not any(task.done() for task in tasks):
            await asyncio.wait(tasks, timeout=LAST_PART_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not any(task.done() for task in tasks) and request.abort is not None:
            request.abort()
        complete = sent.done()
    finally:
        for task in tasks:
            task.cancel()
        _, failure = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(failure, Exception):
        raise failure
    return complete

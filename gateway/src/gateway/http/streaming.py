"""Sends an answer that comes part by part, as long as somebody listens."""

import asyncio
from collections.abc import AsyncGenerator

from gateway.http.request import Receive, Send


async def send_until_gone(stream: AsyncGenerator[bytes, None], receive: Receive, send: Send) -> None:
    """Sends a stream's parts until it ends or the client goes."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def sending() -> None:
        async for part in stream:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    tasks = {asyncio.ensure_future(gone()), asyncio.ensure_future(sending())}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await stream.aclose()

"""A relay by uvicorn, `websockets` and `grpc.aio`, as one would write it by hand, with nothing around it.

No token, no limit, no decoding, no metrics, no log. Events are framed and nothing else.
"""

import asyncio
import os
from typing import Any

import grpc.aio
import uvicorn

from bench.stream_service import SERVICE

channel: Any = None


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Relays a WebSocket, or sends events."""
    global channel  # noqa: PLW0603 one channel per process
    if channel is None:
        channel = grpc.aio.insecure_channel(os.environ["UPSTREAM"])
    if scope["type"] == "websocket":
        await _relay(receive, send)
    elif scope["type"] == "http":
        await _events(send)


async def _relay(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    call = channel.stream_stream(f"/{SERVICE}/Echo")()

    async def down() -> None:
        while (message := await call.read()) is not grpc.aio.EOF:
            await send({"type": "websocket.send", "bytes": message})

    task = asyncio.ensure_future(down())
    while (message := await receive())["type"] == "websocket.receive":
        await call.write(message["bytes"])
    call.cancel()
    task.cancel()


async def _events(send: Any) -> None:
    call = channel.unary_stream(f"/{SERVICE}/Follow")(b"")
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async for message in call:
        body = b"data: %b\n\n" % message[3:]
        await send({"type": "http.response.body", "body": body, "more_body": True})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        log_level="error",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
    )

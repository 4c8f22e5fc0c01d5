"""The service behind `bench/streams.py`, on plain gRPC with raw bytes: what it costs is not measured."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

SERVICE = "bench.streams.v1.StreamService"


async def echo(requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
    """Sends every message back."""
    async for request in requests:
        yield request


async def follow(request: bytes, _: Any) -> AsyncIterator[bytes]:
    """Sends the time in 200 bytes: ten per second, or as fast as possible if the request is not empty."""
    while True:
        text = (b"at=%d " % time.monotonic_ns()).ljust(200, b"x")
        yield b"\x12" + bytes([0x80 | len(text) & 0x7F, len(text) >> 7]) + text
        if not request:
            await asyncio.sleep(0.1)


async def serve(address: str) -> None:
    """Serves until the process ends."""
    server = grpc.aio.server()
    handlers: dict[str, Any] = {
        "Echo": grpc.stream_stream_rpc_method_handler(echo),
        "Follow": grpc.unary_stream_rpc_method_handler(follow),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))

"""A collector of traces that takes them and throws them away: `python -m bench.collector PORT`."""

import asyncio
import sys
from typing import Any

import grpc
import grpc.aio

_EXPORT = "opentelemetry.proto.collector.trace.v1.TraceService"


async def _take(request: bytes, context: Any) -> bytes:
    del request, context
    return b""


async def serve(port: int) -> None:
    """Serves until killed."""
    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(_take)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_EXPORT, {"Export": handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))

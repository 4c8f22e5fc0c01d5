"""An HTTP server: uvicorn in the service's own event loop, without signal handlers and access log."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

from chassis.http.date_header import DatedState
from chassis.http.turns import TurnsProtocol
from chassis.startup_errors import StartupError

UNACKNOWLEDGED_MILLISECONDS = 60_000
"""How long sent data may stay unacknowledged before the client counts as gone."""


class HttpServer(Server):
    """A running server.

    Attributes:
        address: `host:port` that it listens on.
    """

    address: str = ""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.server_state = DatedState(config)
        self._stopping = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to `chassis.lifecycle`."""
        yield

    async def main_loop(self) -> None:
        """Waits for `stop`; uvicorn's loop wakes ten times per second, and makes the `Date` header."""
        await self._stopping.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Stops accepting, and lets requests in flight finish within the grace."""
        self.config.timeout_graceful_shutdown = int(grace_seconds)
        self.should_exit = True
        self._stopping.set()
        with suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(grace_seconds + 1.0):
                await asyncio.shield(self._serving)

    _serving: "asyncio.Future[None]"


@asynccontextmanager
async def open_http(app: Any, *, host: str, port: int, **options: Any) -> AsyncIterator[HttpServer]:
    """Serves an ASGI app during the block.

    Args:
        app: The ASGI app.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one (see `HttpServer.address`).
        options: Further options of `uvicorn.Config`.

    Raises:
        StartupError: the port is not available.
    """
    listener = listen(host, port)
    defaults: dict[str, Any] = {
        "loop": "none",
        "http": TurnsProtocol,
        "ws": "none",
        "lifespan": "off",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # The app decides which proxy headers to trust.
        "proxy_headers": False,
        "timeout_keep_alive": 75,
        # Otherwise a pipelined request would start in the context of the one before it.
        "reset_contextvars": True,
    }
    server = HttpServer(Config(app, **(defaults | options)))
    name = listener.getsockname()
    server.address = (
        f"[{name[0]}]:{name[1]}" if listener.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"
    )
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    server._serving = serving  # noqa: SLF001 - its own attribute
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.002)
        if serving.done():
            serving.result()
        yield server
    finally:
        await server.stop(0 if server.should_exit else 1.0)
        if not serving.done():
            serving.cancel()
        listener.close()


def listen(host: str, port: int) -> socket.socket:
    """Opens a listening socket.

    Raises:
        StartupError: the address is not available.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Connections inherit it. A client that vanished is noticed by missing acknowledgements.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartupError(
            f"HTTP port {host}:{port} is not free ({error.strerror or error}); free it or set another port"
        ) from error
    listener.listen(2048)
    listener.setblocking(False)  # noqa: FBT003 - the socket module's signature
    return listener

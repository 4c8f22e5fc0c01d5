"""A farm of HTTP targets in a process of its own, which can be slow, lossy, dead or flapping.

Targets are paths of one server, `/<number>`; commands come on standard input, one a line:
`die 7`, `live 7`, `flap 7 5`. A lost request is never answered, which is harsher than a lost packet: TCP
does not repair it.
"""

import asyncio
import random
import sys
import time
from collections.abc import Callable
from typing import cast

dead: set[str] = set()
flapping: dict[str, float] = {}


class Conversation(asyncio.Protocol):
    """One connection: one request, and an answer when the target feels like it."""

    def __init__(self, wait_seconds: Callable[[str], float | None]) -> None:
        self._wait_seconds = wait_seconds
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the connection."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Answers later, never, or by ending the connection."""
        name = data.split(b" ", 2)[1].decode().lstrip("/")
        assert self._transport is not None
        if name in dead or (name in flapping and time.monotonic() // flapping[name] % 2 == 1):
            self._transport.abort()
        elif (wait_seconds := self._wait_seconds(name)) is not None:
            asyncio.get_running_loop().call_later(wait_seconds, self._answer)

    def _answer(self) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
            self._transport.close()


async def main(latency_ms: float, jitter_ms: float, loss: float, slowest_ms: float) -> None:
    """Serves until standard input ends.

    Args:
        latency_ms: Mean time to answer.
        jitter_ms: Standard deviation around it.
        loss: Share of requests that are never answered.
        slowest_ms: What target 0 takes instead; 0 for nothing special.
    """

    def wait_seconds(name: str) -> float | None:
        if random.random() < loss:
            return None
        if name == "0" and slowest_ms:
            return slowest_ms / 1000
        return max(0.0, random.gauss(latency_ms, jitter_ms)) / 1000

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Conversation(wait_seconds), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    while line := (await commands.readline()).decode().split():
        match line:
            case ["die", name]:
                dead.add(name)
            case ["live", name]:
                dead.discard(name)
                flapping.pop(name, None)
            case ["flap", name, seconds]:
                flapping[name] = float(seconds)
    server.close()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(*(float(argument) for argument in sys.argv[1:])))

"""Faulty connections between any two parts: a proxy on each.

`Wires.route` is what a `Stack` takes: it puts a proxy between a caller and what it calls and
remembers it, so that a test can spoil it by name:

    wires = Wires()
    with Stack(..., route=wires.route):
        with wires.spoiled(wires.between("auth-service", "postgres"), Cut()):
            ...
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a connection.

    Attributes:
        latency_seconds: How much later everything arrives.
        slice_bytes: How many bytes arrive at once, each piece by itself; 0 for as they come.
        bytes_per_second: How much passes at most; 0 for any amount.
        cut: Whether no byte passes and both sides wait, as with an unplugged cable.
        reset: Whether connections are torn down and new ones refused.
    """

    latency_seconds: float = 0.0
    slice_bytes: int = 0
    bytes_per_second: float = 0.0
    cut: bool = False
    reset: bool = False


NONE = Trouble()
LATE = Trouble(latency_seconds=0.2)
CUT = Trouble(cut=True)
RESET = Trouble(reset=True)
SLICED = Trouble(slice_bytes=7)
THROTTLED = Trouble(bytes_per_second=20_000)


@dataclass
class Wire:
    """The connections from one part to another, through a port of their own."""

    caller: str
    called: str
    target: tuple[str, int]
    port: int = 0
    trouble: Trouble = NONE
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    def spoil(self, trouble: Trouble) -> None:
        """Changes what is wrong; `reset` ends the open connections."""
        self.trouble = trouble
        self.changed.set()
        self.changed = asyncio.Event()
        if trouble.reset:
            for writer in self.open:
                writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection until either side ends it."""
        self.open.add(writer)
        onward: asyncio.StreamWriter | None = None
        try:
            while self.trouble.cut:
                await self.changed.wait()
            if self.trouble.reset:
                writer.transport.abort()
                return
            answers, onward = await asyncio.open_connection(*self.target)
            self.open.add(onward)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, onward))
                both.create_task(self._pump(answers, writer))
        except (OSError, ExceptionGroup):
            writer.transport.abort()
        finally:
            for each in (writer, onward):
                if each is not None:
                    self.open.discard(each)
                    each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            for piece in self._pieces(chunk):
                await self._delay(len(piece))
                writer.write(piece)
                await writer.drain()
        with suppress(OSError, RuntimeError):
            writer.write_eof()

    def _pieces(self, chunk: bytes) -> Iterable[bytes]:
        size = self.trouble.slice_bytes
        return (chunk[at : at + size] for at in range(0, len(chunk), size)) if size else (chunk,)

    async def _delay(self, size: int) -> None:
        while self.trouble.cut:
            await self.changed.wait()
        trouble = self.trouble
        seconds = trouble.latency_seconds
        if trouble.bytes_per_second:
            seconds += size / trouble.bytes_per_second
        if seconds or trouble.slice_bytes:
            await asyncio.sleep(seconds)


class Wires:
    """All proxies of a stack; they run in a thread with its own event loop."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def route(self, caller: str, called: str, address: str) -> str:
        """Puts a proxy between two parts, unless there is one, and returns its address."""
        host, _, port = address.rpartition(":")
        for wire in self.between(caller, called):
            if wire.caller == caller and wire.target == (host, int(port)):
                return f"127.0.0.1:{wire.port}"
        wire = self._run(self._open(caller, called, (host, int(port))))
        self.wires.append(wire)
        return f"127.0.0.1:{wire.port}"

    def between(self, caller: str = "", called: str = "") -> list[Wire]:
        """Returns the proxies from any process of one service to any of another; empty stands for any."""
        return [
            wire for wire in self.wires if wire.caller.startswith(caller) and wire.called.startswith(called)
        ]

    @contextmanager
    def spoiled(self, wires: Iterable[Wire], trouble: Trouble) -> Iterator[None]:
        """Makes some connections faulty for a while."""
        chosen = list(wires)
        assert chosen, "there is no such wire"
        self._spoil(chosen, trouble)
        try:
            yield
        finally:
            self._spoil(chosen, NONE)

    def _spoil(self, wires: list[Wire], trouble: Trouble) -> None:
        async def spoil() -> None:
            for wire in wires:
                wire.spoil(trouble)

        self._run(spoil())

    async def _open(self, caller: str, called: str, target: tuple[str, int]) -> Wire:
        wire = Wire(caller, called, target)
        server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
        wire.port = server.sockets[0].getsockname()[1]
        self._servers.append(server)
        return wire

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for wire in self.wires:
            wire.spoil(RESET)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

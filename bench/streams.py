"""What streams cost at the edge: `make bench-streams`.

WebSockets send 100 ms of sound (3,200 bytes) every 100 ms and get it back, and events and JSON lines come ten
times per second, through a gateway of a running system, with tokens, limits and all else, and through a bare
relay, in turns; JSON lines also through Envoy's transcoder, where its wheel is installed. The CPU time is the
edge's alone, per message in either direction, once all streams are open. Latency is that of an echo, of an
event from the service to the client, and of a stream's first message. Then the memory of many streams, of
more sockets than a gateway takes, and of a client that does not read.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from devstack.ports import free_port
from devstack.stack import Stack
from websockets.asyncio.client import connect

from bench import envoy, report
from bench.contestants import ADMIN, ROOT, ask
from bench.processes import cpu_seconds
from bench.stream_memory import Edge, memory

CHUNK = b"\x00\x01" * 1600
PAUSE_SECONDS = 0.1
JSON_LINES = "JSON lines"
_SENT_AT = re.compile(rb"at=(\d+)")


@dataclass(slots=True)
class Figures:
    """What one kind of stream cost at one edge, a value per turn."""

    cpu_us: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)


class Turn:
    """Many streams at one edge; counted is what comes once all of them are open.

    Attributes:
        edge: Where.
        number: How many.
    """

    def __init__(self, edge: Edge, number: int, seconds: float) -> None:
        self.edge = edge
        self.number = number
        self._seconds = seconds
        self._first_ms: list[float] = []
        self._latencies_ms: list[float] = []
        self._messages = 0
        self._cpu_before = 0.0
        self._until = math.inf

    @property
    def is_over(self) -> bool:
        """Whether the time for counting is over."""
        return time.monotonic() > self._until

    def opened(self, milliseconds: float) -> None:
        """Notes how long a stream took until its first message; with the last one the counting begins."""
        self._first_ms.append(milliseconds)
        if len(self._first_ms) == self.number:
            self._cpu_before = cpu_seconds(self.edge.pid)
            self._until = time.monotonic() + self._seconds

    def took(self, milliseconds: float, messages: int) -> None:
        """Counts messages that took so long together."""
        if self._until != math.inf:
            self._latencies_ms.append(milliseconds)
            self._messages += messages

    def into(self, figures: Figures) -> None:
        """Adds what this turn has found."""
        figures.cpu_us.append((cpu_seconds(self.edge.pid) - self._cpu_before) / self._messages * 1e6)
        figures.first_ms.append(statistics.median(self._first_ms))
        latencies = sorted(self._latencies_ms)
        figures.p50_ms.append(latencies[len(latencies) // 2])
        figures.p99_ms.append(latencies[len(latencies) * 99 // 100])


async def socket_stream(turn: Turn) -> None:
    """Sends sound over a WebSocket and gets it back."""
    edge, begun, is_open = turn.edge, time.monotonic(), False
    url = f"ws://127.0.0.1:{edge.port}{edge.echo}"
    async with connect(url, compression=None, proxy=None, additional_headers=edge.headers) as client:
        while not turn.is_over:
            sent = time.monotonic()
            await client.send(CHUNK)
            await client.recv()
            turn.took((time.monotonic() - sent) * 1000, 2)
            if not is_open:
                is_open = True
                turn.opened((time.monotonic() - begun) * 1000)
            await asyncio.sleep(max(0.0, PAUSE_SECONDS - (time.monotonic() - sent)))


async def event_stream(turn: Turn, accept: str) -> None:
    """Reads the events of a stream."""
    begun, is_open = time.monotonic(), False
    reader, writer = await asyncio.open_connection("127.0.0.1", turn.edge.port)
    writer.write(turn.edge.request(turn.edge.follow, accept))
    while not turn.is_over and (line := await reader.readline()):
        if (sent := _SENT_AT.search(line)) is None:
            continue
        turn.took((time.monotonic_ns() - int(sent[1])) / 1e6, 1)
        if not is_open:
            is_open = True
            turn.opened((time.monotonic() - begun) * 1000)
    writer.transport.abort()


KINDS: dict[str, Callable[[Turn], Awaitable[None]]] = {
    "WebSocket, 3,200 bytes": socket_stream,
    "Server-Sent Events": partial(event_stream, accept="text/event-stream"),
    JSON_LINES: partial(event_stream, accept="application/x-ndjson"),
}


async def measure(turn: Turn, stream: Callable[[Turn], Awaitable[None]], into: Figures) -> None:
    """Runs one turn, its streams a little apart from each other."""

    async def one(index: int) -> None:
        await asyncio.sleep(PAUSE_SECONDS * index / turn.number)
        await stream(turn)

    await asyncio.gather(*map(one, range(turn.number)))
    turn.into(into)


@contextlib.contextmanager
def running() -> Iterator[tuple[Edge, ...]]:
    """Runs the system with a gateway that knows the service, the bare relay, and Envoy where there is one."""
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_CLIENT_LIMIT": "0",
        "BOOTSTRAP_ADMIN_EMAIL": ADMIN["email"],
        "BOOTSTRAP_ADMIN_PASSWORD": ADMIN["password"],
    }
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        folder.chmod(0o755)
        system = stack.enter_context(Stack(folder, environment))
        upstream, bare_port = f"127.0.0.1:{free_port()}", free_port()
        known = json.loads(system.services["gateway"].environment["GATEWAY_UPSTREAMS"])
        gateway = system.add_gateway(
            {
                "GATEWAY_UPSTREAMS": json.dumps(known | {"bench.streams.v1": {"address": upstream}}),
                "GATEWAY_DESCRIPTORS": str(_descriptors(folder)),
            }
        )
        commands: dict[str, list[str]] = {
            "service": _python("bench.stream_service", upstream),
            "bare relay": _python("bench.bare_streams"),
        }
        edges = {"bare relay": (bare_port, "/", "/")}
        proxy = envoy.binary()
        if proxy is not None:
            port = free_port()
            settings = envoy.streaming(
                folder, port=port, service=upstream, descriptors=folder / "streams.binpb"
            )
            commands["Envoy"] = [str(proxy), "-c", str(settings), "--concurrency", "1"]
            edges["Envoy"] = (port, "", "/api/bench/follow")
        pids = {}
        further = {"UPSTREAM": upstream, "PORT": str(bare_port)}
        for name, command in commands.items():
            with (folder / f"{name}.log").open("wb") as log:
                process = subprocess.Popen(
                    command, cwd=ROOT, env=os.environ | further, stdout=log, stderr=log
                )
            pids[name] = process.pid
            stack.callback(process.wait)
            stack.callback(process.kill)
        for name, (port, *_) in edges.items():
            _wait_for(port, folder / f"{name}.log")
        assert gateway.pid is not None
        yield (
            Edge(
                "gateway",
                gateway.http_port,
                gateway.pid,
                "/api/bench/echo",
                "/api/bench/follow",
                _sign_in(system),
            ),
            *(Edge(name, port, pids[name], echo, follow) for name, (port, echo, follow) in edges.items()),
        )


def _sign_in(system: Stack) -> str:
    token: str = ask(f"{system.base_url}/api/auth/login", body=json.dumps(ADMIN).encode())["data"][
        "access_token"
    ]
    return token


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _descriptors(folder: Path) -> Path:
    path = folder / "streams.binpb"
    includes = [f"-I{ROOT / 'bench'}", f"-I{ROOT / 'protos'}", f"-I{ROOT / 'protos/third_party'}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, "--include_imports"]
    subprocess.run([*command, f"--descriptor_set_out={path}", "streams.proto"], check=True)
    return path


def _wait_for(port: int, log: Path) -> None:
    until = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > until:
            raise RuntimeError(log.read_text())
        time.sleep(0.1)


async def sound(turns: int, number: int, seconds: float) -> list[float]:
    """Returns the microseconds of processor time that 100 ms of sound cost the gateway, in each turn."""
    figures = Figures()
    with running() as (gateway, *_):
        for _ in range(turns):
            await measure(Turn(gateway, number, seconds), socket_stream, figures)
    return figures.cpu_us


async def bench(turns: int, number: int, seconds: float, memory_streams: int) -> None:
    """Measures and prints."""
    with running() as edges:
        found = {
            (kind, edge.name): Figures()
            for kind in KINDS
            for edge in edges
            if edge.echo or kind == JSON_LINES
        }
        for _ in range(turns):
            for kind, stream in KINDS.items():
                for edge in edges:
                    if (figures := found.get((kind, edge.name))) is not None:
                        await measure(Turn(edge, number, seconds), stream, figures)
        print(json.dumps(report.machine(), indent=1))
        print(
            "| | CPU µs a message | ratio | p50 ms | p99 ms | first message ms |\n|---|---|---|---|---|---|"
        )
        for kind in KINDS:
            bare = statistics.median(found[kind, "bare relay"].cpu_us)
            for edge in edges:
                its = found.get((kind, edge.name))
                if its is None:
                    continue
                cpu = statistics.median(its.cpu_us)
                latency = [
                    f"{statistics.median(each):.1f}" if each else "" for each in (its.p50_ms, its.p99_ms)
                ]
                cells = [f"{kind}: {edge.name}", f"{cpu:.0f}", f"{cpu / bare:.2f}", *latency]
                print(f"| {' | '.join([*cells, f'{statistics.median(its.first_ms):.1f}'])} |")
        print(json.dumps(await memory(edges[0], memory_streams), indent=1))


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--streams", type=int, default=20, help="streams open at once")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a turn")
    parser.add_argument("--memory-streams", type=int, default=1000, help="streams whose memory is measured")
    given = parser.parse_args()
    asyncio.run(bench(given.turns, given.streams, given.seconds, given.memory_streams))


if __name__ == "__main__":
    main()

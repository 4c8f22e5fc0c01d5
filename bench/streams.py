"""What streams cost at the edge: `make bench-streams`.

WebSockets send 100 ms of sound (3,200 bytes) every 100 ms and get it back, and events and JSON lines come ten
times per second, through a gateway as it is shipped and through a bare relay, in turns. The CPU time is the
edge's alone, per message in either direction; latency is an echo's, and that of a stream's first message.
Then the memory of many open streams, and of a client that does not read.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from devstack.keys import KeyPairs
from devstack.ports import free_port
from devstack.topology import SERVICES
from devstack.valkey import Valkey
from websockets.asyncio.client import connect

from bench import report
from bench.load import ROOT
from bench.processes import cpu_seconds

CHUNK = b"\x00\x01" * 1600
PAUSE_SECONDS = 0.1
Turn = tuple[int, list[float], list[float]]
"""Messages in either direction, latencies in ms, and those of first messages."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A process at the edge."""

    name: str
    port: int
    pid: int
    echo: str
    follow: str


@dataclass(slots=True)
class Figures:
    """What one kind of stream cost at one edge, a value per turn."""

    cpu_us: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)


async def sockets(edge: Edge, number: int, seconds: float) -> Turn:
    """Sends sound over many WebSockets; returns messages in either direction, latencies and first ones."""
    latencies: list[float] = []
    first: list[float] = []
    messages = 0

    async def one(index: int) -> None:
        nonlocal messages
        await asyncio.sleep(PAUSE_SECONDS * index / number)
        begun = time.perf_counter()
        url = f"ws://127.0.0.1:{edge.port}{edge.echo}"
        async with connect(url, compression=None, proxy=None) as client:
            until, is_open = time.perf_counter() + seconds, False
            while (sent := time.perf_counter()) < until:
                await client.send(CHUNK)
                await client.recv()
                latencies.append((time.perf_counter() - sent) * 1000)
                if not is_open:
                    is_open = True
                    first.append((time.perf_counter() - begun) * 1000)
                messages += 2
                await asyncio.sleep(max(0.0, PAUSE_SECONDS - (time.perf_counter() - sent)))

    await asyncio.gather(*(one(index) for index in range(number)))
    return messages, latencies, first


async def events(
    edge: Edge, number: int, seconds: float, accept: str
) -> tuple[int, list[float], list[float]]:
    """Reads many streams of events; returns messages and how long the first of each took."""
    first: list[float] = []
    messages = 0

    async def one(index: int) -> None:
        nonlocal messages
        await asyncio.sleep(PAUSE_SECONDS * index / number)
        begun = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(f"GET {edge.follow} HTTP/1.1\r\nHost: bench\r\nAccept: {accept}\r\n\r\n".encode())
        count = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while line := await reader.readline():
                    if b"xxxx" in line:
                        count += 1
                        if count == 1:
                            first.append((time.perf_counter() - begun) * 1000)
        messages += count
        writer.transport.abort()

    await asyncio.gather(*(one(index) for index in range(number)))
    return messages, [], first


Run = Callable[[Edge], Awaitable[Turn]]


async def measure(edge: Edge, run: Run, into: Figures) -> None:
    """Runs one turn."""
    before = cpu_seconds(edge.pid)
    messages, latencies, first = await run(edge)
    into.cpu_us.append((cpu_seconds(edge.pid) - before) / messages * 1e6)
    into.first_ms.append(statistics.median(first))
    if latencies:
        latencies.sort()
        into.p50_ms.append(latencies[len(latencies) // 2])
        into.p99_ms.append(latencies[len(latencies) * 99 // 100])


async def memory(edge: Edge, number: int) -> dict[str, float]:
    """Returns the memory of open WebSockets, after they left, and of a client that does not read."""
    before = _resident_bytes(edge.pid)
    url = f"ws://127.0.0.1:{edge.port}{edge.echo}"
    opened = []
    for begin in range(0, number, 50):
        size = min(50, number - begin)
        batch = [connect(url, compression=None, proxy=None, ping_interval=None) for _ in range(size)]
        opened += await asyncio.gather(*batch)
    held = _resident_bytes(edge.pid)
    for client in opened:
        client.transport.abort()
    await asyncio.sleep(3)
    left = _resident_bytes(edge.pid)
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, limit=1024)
    reader._transport.pause_reading()  # type: ignore[attr-defined]  # noqa: SLF001 a client that never reads
    writer.write(f"GET {edge.follow}?size=1 HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    peak = left
    for _ in range(50):
        await asyncio.sleep(0.1)
        peak = max(peak, _resident_bytes(edge.pid))
    writer.transport.abort()
    return {
        "KB per WebSocket": round((held - before) / number / 1024, 1),
        "MB after they left": round((left - before) / 2**20, 1),
        "MB for a client that does not read": round((peak - left) / 2**20, 1),
    }


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def running() -> Iterator[tuple[Edge, Edge]]:
    """Runs the service, a gateway and the bare relay."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        valkey = Valkey(folder / "valkey")
        valkey.start()
        stack.callback(valkey.stop)
        upstream, gateway_port, bare_port = f"127.0.0.1:{free_port()}", free_port(), free_port()
        upstreams = {
            "vestibule.auth.v1": {"address": "127.0.0.1:1"},
            "bench.streams.v1": {"address": upstream},
        }
        gateway = {
            "GATEWAY_PORT": str(gateway_port),
            "GATEWAY_UPSTREAMS": json.dumps(upstreams),
            "GATEWAY_DESCRIPTORS": str(_descriptors(folder)),
            "GATEWAY_CLIENT_LIMIT": "0",
            "REDIS_URL": valkey.url,
            "TOKEN_ISSUER": "bench",
            **KeyPairs.kept_in(folder / "keys", (each.name for each in SERVICES)).environment("gateway"),
        }
        programs = {
            "bench.stream_service": ([upstream], {}),
            "gateway": ([], gateway),
            "bench.bare_streams": ([], {"UPSTREAM": upstream, "PORT": str(bare_port)}),
        }
        pids = {}
        for module, (arguments, further) in programs.items():
            with (folder / module).open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", module, *arguments],
                    cwd=ROOT,
                    env=os.environ | further,
                    stdout=log,
                    stderr=log,
                )
            pids[module] = process.pid
            stack.callback(process.wait)
            stack.callback(process.kill)
        for module, port in (("gateway", gateway_port), ("bench.bare_streams", bare_port)):
            _wait_for(port, folder / module)
        yield (
            Edge("gateway", gateway_port, pids["gateway"], "/api/bench/echo", "/api/bench/follow"),
            Edge("bare relay", bare_port, pids["bench.bare_streams"], "/", "/"),
        )


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


async def bench(turns: int, number: int, seconds: float, memory_streams: int) -> None:
    """Measures and prints."""
    kinds: dict[str, Run] = {
        "WebSocket, 3,200 bytes": lambda edge: sockets(edge, number, seconds),
        "Server-Sent Events": lambda edge: events(edge, number, seconds, "text/event-stream"),
        "JSON lines": lambda edge: events(edge, number, seconds, "application/x-ndjson"),
    }
    with running() as edges:
        found = {(kind, edge.name): Figures() for kind in kinds for edge in edges}
        for _ in range(turns):
            for kind, run in kinds.items():
                for edge in edges:
                    await measure(edge, run, found[kind, edge.name])
        print(json.dumps(report.machine(), indent=1))
        print(
            "| | CPU µs a message | ratio | p50 ms | p99 ms | first message ms |\n|---|---|---|---|---|---|"
        )
        for kind in kinds:
            bare = statistics.median(found[kind, edges[1].name].cpu_us)
            for edge in edges:
                its = found[kind, edge.name]
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

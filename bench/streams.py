"""What streams cost at the edge: `make bench-streams`.

WebSockets send 100 ms of sound (3,200 bytes) every 100 ms and get it back, and events and JSON lines come ten
times per second, through a gateway as it is shipped and through a bare relay, in turns; JSON lines also
through Envoy's transcoder, where its wheel is installed. The CPU time is the edge's alone, per message in
either direction; latency is an echo's, and that of a stream's first message. Then the memory of many open
streams, of more sockets than a gateway takes, and of a client that does not read.
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

from bench import envoy, report
from bench.load import ROOT
from bench.processes import cpu_seconds
from bench.stream_memory import Edge, memory

CHUNK = b"\x00\x01" * 1600
PAUSE_SECONDS = 0.1
JSON_LINES = "JSON lines"
Turn = tuple[int, list[float], list[float]]
"""Messages in either direction, latencies in ms, and those of first messages."""


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


@contextlib.contextmanager
def running() -> Iterator[tuple[Edge, ...]]:
    """Runs the service, a gateway, the bare relay, and Envoy where there is one."""
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
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
        commands: dict[str, tuple[list[str], dict[str, str]]] = {
            "service": (_python("bench.stream_service", upstream), {}),
            "gateway": (_python("gateway"), gateway),
            "bare relay": (_python("bench.bare_streams"), {"UPSTREAM": upstream, "PORT": str(bare_port)}),
        }
        edges = {
            "gateway": (gateway_port, "/api/bench/echo", "/api/bench/follow"),
            "bare relay": (bare_port, "/", "/"),
        }
        proxy = envoy.binary()
        if proxy is not None:
            port = free_port()
            settings = envoy.streaming(
                folder, port=port, service=upstream, descriptors=folder / "streams.binpb"
            )
            commands["Envoy"] = ([str(proxy), "-c", str(settings), "--concurrency", "1"], {})
            edges["Envoy"] = (port, "", "/api/bench/follow")
        pids = {}
        for name, (command, further) in commands.items():
            with (folder / f"{name}.log").open("wb") as log:
                process = subprocess.Popen(
                    command, cwd=ROOT, env=os.environ | further, stdout=log, stderr=log
                )
            pids[name] = process.pid
            stack.callback(process.wait)
            stack.callback(process.kill)
        for name, (port, *_) in edges.items():
            _wait_for(port, folder / f"{name}.log")
        yield tuple(
            Edge(name, port, pids[name], echo, follow) for name, (port, echo, follow) in edges.items()
        )


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


async def bench(turns: int, number: int, seconds: float, memory_streams: int) -> None:
    """Measures and prints."""
    kinds: dict[str, Run] = {
        "WebSocket, 3,200 bytes": lambda edge: sockets(edge, number, seconds),
        "Server-Sent Events": lambda edge: events(edge, number, seconds, "text/event-stream"),
        JSON_LINES: lambda edge: events(edge, number, seconds, "application/x-ndjson"),
    }
    with running() as edges:
        found = {
            (kind, edge.name): Figures()
            for kind in kinds
            for edge in edges
            if edge.echo or kind == JSON_LINES
        }
        for _ in range(turns):
            for kind, run in kinds.items():
                for edge in edges:
                    if (kind, edge.name) not in found:
                        continue
                    await measure(edge, run, found[kind, edge.name])
        print(json.dumps(report.machine(), indent=1))
        print(
            "| | CPU µs a message | ratio | p50 ms | p99 ms | first message ms |\n|---|---|---|---|---|---|"
        )
        for kind in kinds:
            bare = statistics.median(found[kind, edges[1].name].cpu_us)
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

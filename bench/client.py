"""A client of our own: `python -m bench.client URL --rate 200 --seconds 4` prints one line of JSON.

With a rate the load is open: requests are due at fixed times, whatever became of those before, and a
latency counts from the time at which the request was due (no coordinated omission). Without a rate each
connection asks again as soon as it has its answer; that is what stands in for `wrk` where there is none.
"""

import argparse
import asyncio
import json
import resource
import time
from collections import Counter, deque
from collections.abc import Sequence
from itertools import cycle
from typing import cast
from urllib.parse import urlsplit

import uvloop

_WITHIN_SECONDS = 20.0
_LENGTH = b"content-length: "


class _Connection(asyncio.Protocol):
    """One connection with at most one request on its way."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Is ready for work."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are of no such class
        self._load.idle.append(self)

    def ask(self, due: float) -> None:
        """Sends the request."""
        assert self._transport is not None
        self._due = due
        self._transport.write(next(self._load.requests))

    def data_received(self, data: bytes) -> None:
        """Takes the answer once it is whole."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        after = head.lower().partition(_LENGTH)[2]
        if len(body) >= int(after.split(b"\r\n", 1)[0] or 0):
            self._received = b""
            self._load.answered(self, self._due, head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the measurement when the server hangs up: the figures would be others."""
        del exc
        self._load.lose()


class Load:
    """Requests to one URL and what became of them.

    Attributes:
        requests: The bytes of each next request: one for each body, in turn.
        idle: Connections with nothing to do.
        latencies: Seconds from when each request was due to its answer.
        dues: When each of these requests was due, by `time.monotonic()`.
        statuses: How many answers there were of each status.
        unsure: Answers of 503 without `Retry-After`.
    """

    def __init__(self, url: str, headers: list[str], bodies: Sequence[str] = ()) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        verb = "POST" if bodies else "GET"
        head = "\r\n".join([f"{verb} {parts.path} HTTP/1.1", f"Host: {parts.netloc}", *headers])
        json_head = f"{head}\r\nContent-Type: application/json\r\nContent-Length: "
        posts = [f"{json_head}{len(body)}\r\n\r\n{body}".encode() for body in bodies]
        self.requests = cycle(posts or [f"{head}\r\n\r\n".encode()])
        self.idle: deque[_Connection] = deque()
        self.latencies: list[float] = []
        self.dues: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.unsure = 0
        self._waiting: deque[float] = deque()
        self._until = float("-inf")
        self._rate = 0.0
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, *, connections: int, seconds: float, rate: float) -> float:
        """Makes the requests.

        Args:
            connections: How many to keep open.
            seconds: For how long.
            rate: Requests a second; 0 for as many as are answered.

        Returns:
            How late, in seconds, the client itself was with the hundredth that it sent latest.
        """
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: _Connection(self), self._host, self._port)
            for _ in range(connections)
        ]
        self._rate = rate
        started = time.monotonic()
        self._until = started + seconds
        late: list[float] = []
        if rate:
            late = await self._keep_to_the_clock(started, round(rate * seconds), 1 / rate)
        else:
            while self.idle:
                self.idle.popleft().ask(time.monotonic())
            await asyncio.sleep(seconds)
        async with asyncio.timeout(_WITHIN_SECONDS):
            while len(self.idle) < connections and not self._finished.done():  # noqa: ASYNC110 polled 4 s a turn
                await asyncio.sleep(0.005)
        if self._finished.done():
            self._finished.result()
        self._finished.cancel()
        for transport, _ in made:
            transport.abort()
        return sorted(late)[int(len(late) * 0.99)] if late else 0.0

    def answered(self, connection: _Connection, due: float, head: bytes) -> None:
        """Notes an answer and gives the connection its next work."""
        now = time.monotonic()
        self.latencies.append(now - due)
        self.dues.append(due)
        status = int(head[9:12])
        self.statuses[status] += 1
        self.unsure += status == 503 and b"\r\nretry-after: " not in head.lower()
        if self._waiting:
            connection.ask(self._waiting.popleft())
        elif self._rate or now >= self._until:
            self.idle.append(connection)
        else:
            connection.ask(now)

    def lose(self) -> None:
        """Notes that a connection was lost."""
        if not self._finished.done():
            self._finished.set_exception(ConnectionError("the server closed a connection"))

    async def _keep_to_the_clock(self, started: float, count: int, gap: float) -> list[float]:
        late = []
        for number in range(count):
            due = started + number * gap
            now = time.monotonic()
            if now < due:
                await asyncio.sleep(due - now)
                now = time.monotonic()
            late.append(max(0.0, now - due))
            if self.idle:
                self.idle.popleft().ask(due)
            else:
                self._waiting.append(due)
        return late


async def measure(options: argparse.Namespace) -> dict[str, object]:
    """Makes the load and returns what to print."""
    load = Load(options.url, options.header, options.body)
    late = await load.run(connections=options.connections, seconds=options.seconds, rate=options.rate)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "requests": len(load.latencies),
        "errors": len(load.latencies) - load.statuses[200],
        "statuses": load.statuses,
        "unsure": load.unsure,
        "seconds": options.seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "late_p99_seconds": late,
        "latencies_seconds": [round(each, 6) for each in load.latencies] if options.rate else [],
        "due_seconds": [round(each, 4) for each in load.dues] if options.rate else [],
    }


def main() -> None:
    """Reads the arguments and prints JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--header", "-H", action="append", default=[])
    parser.add_argument("--body", action="append", default=[], help="JSON to POST; several are sent in turn")
    parser.add_argument("--connections", "-c", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rate", type=float, default=0.0)
    print(json.dumps(uvloop.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()

"""A thousand clients of the stream that never read: memory is bounded and others are served as before."""

import contextlib
import json
import re
import socket
import statistics
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.client import Client
from tests.system.raw import head
from tests.system.running_system import System

CLIENTS = 1000
EACH_CLIENT = 20
PROCESSES = ("gateway", "health-aggregator")
EACH_KILOBYTES_MAX = 150
"""The memory of a silent client in a process: its connection, a task or two, and what is not sent yet."""

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="measures by /proc"),
]


def test_a_thousand_who_never_read(client: Client, system: System) -> None:
    """All connect and cost little, others are served as before, and the streams end with their clients."""
    token = client.join().access_token
    alone = _median_seconds(client, token)
    before = {name: _resident_kilobytes(system, name) for name in PROCESSES}
    already = _active(client)
    with _silent(client.url):
        _until(lambda: _active(client) >= already + CLIENTS)
        among_them = _median_seconds(client, token)
        cost = {name: (_resident_kilobytes(system, name) - before[name]) / CLIENTS for name in PROCESSES}
        _until(lambda: client.get("/api/health").outcome == (200, None))
    _until(lambda: _active(client) < already + CLIENTS / 10)

    assert max(cost.values()) < EACH_KILOBYTES_MAX, cost
    assert among_them < 10 * alone + 0.05, (alone, among_them)


@contextlib.contextmanager
def _silent(url: str) -> Iterator[None]:
    """Opens the stream a thousand times and never reads from it."""
    address = urllib.parse.urlsplit(url)
    with contextlib.ExitStack() as connections:
        for number in range(CLIENTS):
            connection = connections.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.settimeout(20)
            # The number of streams per client is limited, so there are several client addresses.
            connection.bind((f"127.0.1.{1 + number // EACH_CLIENT}", 0))
            connection.connect((address.hostname, address.port))
            connection.sendall(head("GET", "/api/health/stream", "Accept: text/event-stream"))
        yield


def _until(condition: Callable[[], bool], seconds: float = 80) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _active(client: Client) -> float:
    found = re.search(r"^http_server_active_requests (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def _median_seconds(client: Client, token: str) -> float:
    times = []
    for _ in range(30):
        started = time.perf_counter()
        assert client.who(token).status == 200
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _resident_kilobytes(system: System, name: str) -> int:
    services = json.loads((system.folder / "topology.json").read_text("utf-8"))["services"]
    rollup = Path(f"/proc/{services[name]['pid']}/smaps_rollup").read_text("utf-8")
    return int(rollup.partition("Rss:")[2].split()[0])

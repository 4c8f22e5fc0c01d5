"""Streams that clients open and leave are closed at once, however many there were."""

import json
import os
import re
import socket
import time
import urllib.parse
from pathlib import Path

import pytest

from tests.system.client import Client
from tests.system.raw import exchange, head
from tests.system.running_system import System
from tests.waiting import SLOW_MACHINE_SECONDS, wait_for

LEFT = int(os.environ.get("STREAMS_LEFT", "600"))
"""How many streams are opened and left; the report's figure is of 5,000."""

AT_ONCE = 20
GROWTH_MEGABYTES_MAX = 15 + LEFT // 60

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="measures by /proc")


@pytest.mark.nightly
def test_streams_that_were_left_are_given_back(client: Client, system: System) -> None:
    """Although no event is sent, soon no stream is open, and nothing has grown."""
    _open_and_leave(client.url, AT_ONCE)
    before = _resident_megabytes(system)
    started = time.monotonic()
    _open_and_leave(client.url, LEFT)
    seconds = time.monotonic() - started
    wait_for(lambda: _open_streams(client) == 0, SLOW_MACHINE_SECONDS)
    after = _resident_megabytes(system)

    figures = f"{before:.0f} MB before, {after:.0f} MB after"
    print(f"{LEFT} opened and left in {seconds:.1f} s: {figures}")  # noqa: T201 asked for with -s
    assert after - before < GROWTH_MEGABYTES_MAX
    assert client.get("/api/health").outcome == (200, None)


def test_one_client_holds_so_many(client: Client) -> None:
    """The next stream is refused before any event; a place is free again when its client goes."""
    held = [_connect(client.url) for _ in range(AT_ONCE)]
    refused = exchange(client.url, head("GET", "/api/health/stream"))
    for connection in held:
        connection.close()

    assert refused.outcome == (429, "RATE_LIMITED")
    assert "retry-after" in refused.headers
    _connect(client.url).close()


def _open_and_leave(url: str, number: int) -> None:
    for _ in range(number):
        _connect(url).close()


def _connect(url: str) -> socket.socket:
    """Opens a stream and returns its first event; tries again while the last place is being freed."""
    address = urllib.parse.urlsplit(url)
    for _ in range(200):
        connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=10)
        connection.sendall(head("GET", "/api/health/stream"))
        got = b""
        while b"event: state" not in got and b"RATE_LIMITED" not in got and (more := connection.recv(65536)):
            got += more
        if b"event: state" in got:
            return connection
        connection.close()
        time.sleep(0.05)
    raise AssertionError(got)


def _open_streams(client: Client) -> float:
    found = re.search(
        r'^gateway_streams_open{method="StreamHealth"} (\S+)$', client.get("/metrics").text, re.MULTILINE
    )
    assert found
    return float(found[1])


def _resident_megabytes(system: System) -> float:
    services = json.loads((system.folder / "topology.json").read_text("utf-8"))["services"]
    rollup = Path(f"/proc/{services['gateway']['pid']}/smaps_rollup").read_text("utf-8")
    return int(rollup.partition("Rss:")[2].split()[0]) / 1024

"""Load from outside: `wrk` for as much as there is, our own client for a fixed rate."""

import json
import re
import resource
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONNECTIONS = 32
_CLIENTS_WITHOUT_WRK = 2


@dataclass(frozen=True, slots=True)
class Flood:
    """What as many requests as were answered came to.

    Attributes:
        requests: Answers.
        seconds: For how long.
        client_cpu_seconds: What the client itself used.
    """

    requests: int
    seconds: float
    client_cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Stream:
    """What requests at a fixed rate came to.

    Attributes:
        latencies_seconds: From when each was due to its answer.
        late_p99_seconds: How late the client itself was with the hundredth that it sent latest.
        client_cpu_seconds: What the client itself used.
    """

    latencies_seconds: list[float]
    late_p99_seconds: float
    client_cpu_seconds: float


class LoadError(Exception):
    """The answers were not those that were to be measured."""


def client_name() -> str:
    """Says what makes the floods."""
    return "wrk" if shutil.which("wrk") else f"{_CLIENTS_WITHOUT_WRK} of bench/client.py"


def flood(url: str, headers: list[str], seconds: float) -> Flood:
    """Asks as fast as answers come, over 32 connections.

    Raises:
        LoadError: there were other answers than 200.
    """
    wrk = shutil.which("wrk")
    if wrk is None or seconds < 1:  # wrk knows whole seconds only.
        return _flood_without_wrk(url, headers, seconds)
    before = _children_cpu_seconds()
    given = [part for header in headers for part in ("-H", header)]
    done = subprocess.run(
        [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{round(seconds)}s", *given, url],
        capture_output=True,
        text=True,
        check=True,
    )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise LoadError(f"{url}: {done.stdout}")
    found = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    if found is None:
        raise LoadError(f"{url}: wrk says {done.stdout!r}")
    return Flood(int(found[1]), float(found[2]), _children_cpu_seconds() - before)


def post_flood(url: str, body: str, seconds: float, connections: int) -> Flood:
    """Sends a body as fast as answers come.

    Raises:
        LoadError: there were other answers than 200.
    """
    said = _finished(_client(url, [], seconds, f"--connections={connections}", f"--body={body}"))
    return Flood(said["requests"], seconds, said["cpu_seconds"])


def stream(url: str, headers: list[str], seconds: float, rate: float) -> Stream:
    """Asks at a fixed rate.

    Raises:
        LoadError: there were other answers than 200.
    """
    said = _finished(_client(url, headers, seconds, f"--rate={rate}"))
    return Stream(said["latencies_seconds"], said["late_p99_seconds"], said["cpu_seconds"])


def _flood_without_wrk(url: str, headers: list[str], seconds: float) -> Flood:
    share = f"--connections={CONNECTIONS // _CLIENTS_WITHOUT_WRK}"
    with ExitStack() as ended:
        clients = [
            ended.enter_context(_client(url, headers, seconds, share)) for _ in range(_CLIENTS_WITHOUT_WRK)
        ]
        said = [_finished(client) for client in clients]
    return Flood(sum(each["requests"] for each in said), seconds, sum(each["cpu_seconds"] for each in said))


def _client(url: str, headers: list[str], seconds: float, *further: str) -> "subprocess.Popen[str]":
    given = [part for header in headers for part in ("-H", header)]
    command = [sys.executable, "-m", "bench.client", url, *given, f"--seconds={seconds}", *further]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _finished(client: "subprocess.Popen[str]") -> dict[str, Any]:
    output, _ = client.communicate()
    if client.returncode:
        raise LoadError(f"the client ended with status {client.returncode}")
    said: dict[str, Any] = json.loads(output)
    if said["errors"]:
        raise LoadError(f"{said['errors']} answers were not 200")
    return said


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime

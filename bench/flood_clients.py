"""The two clients of a flood: one reads at a fixed rate, one signs in at another."""

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.load import ROOT
from bench.processes import pin
from bench.slow_cores import SlowCores, steady

READS_PER_SECOND = 100.0
CONNECTIONS = 100
LEAD_SECONDS = 1.0
"""How much sooner the flood begins than the reads, and how much later it ends."""

_CLIENT_NICENESS = 10
_FEWEST = 2
"""Fewer have no percentiles."""

USERS = 20
"""Who sign in: of one user's sign-ins by one client, few are let through at a time."""

FLOODING = [
    {"email": f"flood{number}@vestibule.test", "password": "copper-heron-window-tide"}
    for number in range(USERS)
]
LOGINS = [f"--body={json.dumps(each)}" for each in FLOODING]
"""The client's arguments for it."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What reads took in one turn."""

    p50_ms: float
    p99_ms: float
    steady_p99_ms: float
    """Of those alone that came while no core was slow; not a number if there were none."""

    slow_share: float
    """How often a core was slow."""

    late_ms: float
    """How late the client itself was with the hundredth that it sent latest."""


def client(url: str, seconds: float, *arguments: str, niceness: int = 0) -> "subprocess.Popen[str]":
    """Starts a client."""
    command = ["nice", f"-n{niceness}", sys.executable, "-m", "bench.client", url]
    command += [f"--seconds={seconds}", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def said(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Returns what a client found.

    Raises:
        RuntimeError: it failed.
    """
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the client ended with status {process.returncode}")
    found: dict[str, Any] = json.loads(output)
    return found


def read(url: str, seconds: float, cores: SlowCores, *arguments: str) -> Reads:
    """Measures reads for one turn.

    Args:
        url: What is read.
        seconds: For how long.
        cores: What is known of the cores.
        arguments: Of the client.
    """
    began = time.monotonic()
    found = said(client(url, seconds, *arguments, f"--rate={READS_PER_SECOND}"))
    if found["errors"]:
        raise RuntimeError(f"{found['errors']} reads failed: {found['statuses']}")
    slow, share = cores.between(began, time.monotonic())
    latencies = found["latencies_seconds"]
    requests = list(zip(found["due_seconds"], latencies, strict=True))
    return Reads(
        p50_ms=_percentile_ms(latencies, 50),
        p99_ms=_percentile_ms(latencies, 99),
        steady_p99_ms=_percentile_ms(steady(requests, slow), 99),
        slow_share=share,
        late_ms=found["late_p99_seconds"] * 1e3,
    )


def read_while_flooded(
    read_url: str,
    flood_url: str,
    seconds: float,
    rate: float,
    *arguments: str,
    where: Sequence[int],
    cores: SlowCores,
) -> tuple[Reads, dict[str, Any]]:
    """Measures reads, and what became of the logins, for one turn of a flood.

    Args:
        read_url: What is read.
        flood_url: Where the logins go.
        seconds: How long is read.
        rate: Logins per second.
        arguments: Of the client that reads.
        where: The cores on which the client of the logins runs.
        cores: What is known of all cores.
    """
    flood = client(
        flood_url,
        seconds + 2 * LEAD_SECONDS,
        *LOGINS,
        f"--rate={rate}",
        f"--connections={CONNECTIONS}",
        niceness=_CLIENT_NICENESS,
    )
    pin(flood.pid, where)
    try:
        time.sleep(LEAD_SECONDS)
        reads = read(read_url, seconds, cores, *arguments)
    finally:
        found = said(flood)
    return reads, found


def _percentile_ms(seconds: Sequence[float], percent: int) -> float:
    if len(seconds) < _FEWEST:
        return math.nan
    return statistics.quantiles(seconds, n=100)[percent - 1] * 1e3

"""The latency of reads during a flood of sign-ins: `make bench-flood`.

Logins of many users with the right passwords are due at ten times what the hashing threads can do, whatever
became of those before (open load), while another client asks `GET /api/users/me` at a fixed rate. Quiet and
flooded turns alternate, and the medians are compared, because machines vary. Everything shares
the machine's cores: the flood takes from the reads whatever it costs to answer and to refuse it. What it
costs to make is reported; its client has a lower priority, since real floods come from other machines.

Cores of a virtual machine are slow at times (`bench/slow_cores.py`): p99 is given for all reads, and for
those alone that came while none was.

The cores are divided among threads that are all alike, and then among pods as the chart has them
(`bench/pod_shares.py`). With `--auth-cores` auth-service and the flood's client share that number of cores,
as pods do by their CPU limit; the other processes may use all.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from devstack.stack import Stack

from bench import flood_yardstick, report
from bench.contestants import ADMIN, ask
from bench.flood_clients import (
    FLOODING,
    LEAD_SECONDS,
    LOGINS,
    Reads,
    client,
    read,
    read_while_flooded,
    said,
)
from bench.pod_shares import DIVISIONS
from bench.processes import cpu_seconds, pin
from bench.slow_cores import SlowCores


class Bench:
    """A running system to be flooded.

    Args:
        base_url: Its gateway.
        seconds: How long each turn takes.
        where: The cores on which the flood's client runs.
        cores: What is known of all cores.
    """

    def __init__(self, base_url: str, seconds: float, where: Sequence[int], cores: SlowCores) -> None:
        self._base_url = base_url
        self._seconds = seconds
        self._where = where
        self._cores = cores
        for each in FLOODING:
            ask(f"{base_url}/api/auth/register", body=json.dumps({**each, "full_name": "Flood"}).encode())
        self._header = f"--header=Authorization: Bearer {self.token()}"

    def token(self) -> str:
        """Returns a fresh access token."""
        body = json.dumps(ADMIN).encode()
        answer: str = ask(f"{self._base_url}/api/auth/login", body=body)["data"]["access_token"]
        return answer

    def capacity(self) -> float:
        """Returns how many logins a second are answered when as many wait as may."""
        busy = said(client(f"{self._base_url}/api/auth/login", self._seconds, *LOGINS, "--connections=8"))
        answered: int = busy["statuses"]["200"]
        return answered / self._seconds

    def reads(self) -> Reads:
        """Measures reads for one turn."""
        return read(f"{self._base_url}/api/users/me", self._seconds, self._cores, self._header)

    def flooded(self, rate: float) -> tuple[Reads, dict[str, Any]]:
        """Measures reads, and what became of the logins, for one turn of a flood."""
        url = f"{self._base_url}/api"
        return read_while_flooded(
            f"{url}/users/me",
            f"{url}/auth/login",
            self._seconds,
            rate,
            self._header,
            where=self._where,
            cores=self._cores,
        )


def measure(
    stack: Stack,
    rounds: int,
    seconds: float,
    *,
    where: Sequence[int],
    among: Sequence[str],
    cores: SlowCores,
) -> dict[str, Any]:
    """Measures and prints, for each division of the cores; returns the raw results."""
    pin(stack.services["auth-service"].pid or 0, where)
    programs = {**stack.services, "postgres": stack.postgres, "redis": stack.valkey}
    running = {name: program.pid for name, program in programs.items() if program and program.pid}
    bench = Bench(stack.base_url, seconds, where, cores)
    found = {}
    for name in among:
        with DIVISIONS[name](running) as is_divided:
            if is_divided:
                print(f"the cores are divided among {name}")
                found[name] = _measure(stack, bench, rounds, seconds)
            else:
                print(f"the cores cannot be divided among {name}: no cgroup may be made here")
    if not found:
        return {"among": {}, "bare": []}
    rate = 10 * max(each["capacity_per_second"] for each in found.values())
    bare = flood_yardstick.measure(stack.folder, max(2, rounds // 2), seconds, rate, where=where, cores=cores)
    for what, idle, flooded in (
        *((f"among {name}", each["idle"], each["flooded"]) for name, each in found.items()),
        ("a bare app, beside as many hashes", [idle for idle, _ in bare], [flooded for _, flooded in bare]),
    ):
        for name in ("p50_ms", "p99_ms", "steady_p99_ms"):
            quiet, loud = (_median(turns, name) for turns in (idle, flooded))
            print(f"{name}, {what}: idle {quiet:.2f}, flooded {loud:.2f}: {loud / quiet:.1f} x")
    return {"among": found, "bare": bare}


def p99_to_idle(found: Mapping[str, Any], figure: str = "p99_ms") -> float:
    """Returns p99 while flooded in relation to idle p99, by the medians, of one division's results.

    Args:
        found: The results.
        figure: `p99_ms`, or `steady_p99_ms` for the reads alone that came while no core was slow.
    """
    return _median(found["flooded"], figure) / _median(found["idle"], figure)


def slow_share(found: Mapping[str, Any]) -> float:
    """Returns how often a core was slow, of one division's results."""
    turns: list[Reads] = [*found["idle"], *found["flooded"]]
    return statistics.mean(each.slow_share for each in turns)


def _median(turns: Sequence[Reads], name: str) -> float:
    middle: float = statistics.median(getattr(each, name) for each in turns)
    return middle


def _measure(stack: Stack, bench: Bench, rounds: int, seconds: float) -> dict[str, Any]:
    bench.reads()
    capacity = bench.capacity()
    rate = 10 * capacity
    print(
        f"capacity {capacity:.0f} logins/s; flood {rate:.0f}/s; load of the machine {os.getloadavg()[0]:.1f}"
    )
    idle: list[Reads] = []
    flooded: list[Reads] = []
    statuses: Counter[str] = Counter()
    unsure = 0
    services = ("gateway", "auth-service", "user-service")
    used = dict.fromkeys((*services, "the flood's client"), 0.0)
    for number in range(rounds):
        idle.append(bench.reads())
        before = {name: cpu_seconds(stack.services[name].pid or 0) for name in services}
        reads, found = bench.flooded(rate)
        for name in services:
            used[name] += cpu_seconds(stack.services[name].pid or 0) - before[name]
        used["the flood's client"] += found["cpu_seconds"]
        flooded.append(reads)
        statuses.update(found["statuses"])
        unsure += found["unsure"]
        print(
            f"round {number + 1}: idle p50 {idle[-1].p50_ms:.2f} p99 {idle[-1].p99_ms:.2f} ms,"
            f" flooded p50 {reads.p50_ms:.2f} p99 {reads.p99_ms:.2f} ms,"
            f" cores slow {idle[-1].slow_share:.1%} and {reads.slow_share:.1%},"
            f" asked late by {idle[-1].late_ms:.1f} and {reads.late_ms:.1f} ms;"
            f" logins {found['statuses']}, sent late by {found['late_p99_seconds'] * 1_000:.0f} ms"
        )
    lasted = rounds * (seconds + 2 * LEAD_SECONDS)
    print(
        f"logins/s while flooded {statuses['200'] / lasted:.0f}; refused {statuses['503']} by 503,"
        f" of them without Retry-After {unsure}"
    )
    logins = sum(statuses.values())
    # A hash is the hashing threads' own; what is left of auth-service is its event loop's.
    print(
        ", ".join(
            f"{name}: {seconds * 1_000 / logins:.2f} ms of CPU a login" for name, seconds in used.items()
        )
    )
    return {
        "capacity_per_second": capacity,
        "idle": idle,
        "flooded": flooded,
        "logins": statuses,
        "answered_per_second": statuses["200"] / lasted,
        "cpu_ms_a_login": {name: seconds * 1_000 / logins for name, seconds in used.items()},
    }


def run(
    rounds: int,
    seconds: float,
    auth_cores: int,
    settings: Mapping[str, str],
    among: Sequence[str] = tuple(DIVISIONS),
) -> dict[str, Any]:
    """Measures a system of its own.

    Args:
        rounds: How many quiet and as many flooded turns.
        seconds: How long each takes.
        auth_cores: On how many cores auth-service and the flood's client run.
        settings: Of the system, beside the usual ones.
        among: How the cores are divided, one after the other: names in `DIVISIONS`.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "LOG_FORMAT": "json",
        "GATEWAY_RATE_LIMITS": "off",
        "BOOTSTRAP_ADMIN_EMAIL": ADMIN["email"],
        "BOOTSTRAP_ADMIN_PASSWORD": ADMIN["password"],
        "AUTH_HASH_WORKERS": str(auth_cores),
        **settings,
    }
    available = sorted(os.sched_getaffinity(0))
    with (
        tempfile.TemporaryDirectory() as folder,
        SlowCores.watched(Path(folder), available) as cores,
        Stack(Path(folder), environment) as stack,
    ):
        return measure(stack, rounds, seconds, where=available[-auth_cores:], among=among, cores=cores)


def main() -> None:
    """Reads the arguments and measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting")
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    available = sorted(os.sched_getaffinity(0))
    parser.add_argument("--auth-cores", type=int, default=len(available), metavar="N", help="CPU limit")
    parser.add_argument("--among", choices=DIVISIONS, action="append", help="how the cores are divided")
    options = parser.parse_args()
    machine = report.machine()
    settings = dict(each.split("=", 1) for each in options.set)
    among = options.among or tuple(DIVISIONS)
    results = run(options.rounds, options.seconds, options.auth_cores, settings, among)
    if options.keep:
        print(f"- raw results: {report.keep(options.keep, {'machine': machine, **results})}")


if __name__ == "__main__":
    main()

"""`make bench-logins`: sign-ins against bare Argon2id on as many cores.

Rounds in turn. The whole system has that number of cores, Postgres and Redis included, and hashes in as
many threads; the client has the other cores where there are any. The bare hashes are those of the system
(19 MiB, t = 2, p = 1), by argon2-cffi. A sign-in is the whole of it: gateway, gRPC, the account, the hash,
the session, the audit chain and the signed token.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devstack.stack import Stack

from bench import report
from bench.contestants import ADMIN
from bench.load import ROOT, post_flood
from bench.processes import cpu_seconds, pin


def bare(seconds: float, threads: int) -> tuple[float, float]:
    """Verifies a password in threads, with nothing around it.

    Returns:
        Verifications a second, and milliseconds of processor time for each.
    """
    program = f"from bench.logins import hash_for; hash_for({seconds}, {threads})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    count, used = done.stdout.split()
    return int(count) / seconds, float(used) / int(count) * 1e3


def hash_for(seconds: float, threads: int) -> None:
    """Prints how many verifications were made, and the processor time they took."""
    from argon2 import PasswordHasher  # noqa: PLC0415 only this process needs it

    hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
    known = hasher.hash(ADMIN["password"])
    hasher.verify(known, ADMIN["password"])
    before, until = time.process_time(), time.perf_counter() + seconds

    def work(_: int) -> int:
        count = 0
        while time.perf_counter() < until:
            hasher.verify(known, ADMIN["password"])
            count += 1
        return count

    with ThreadPoolExecutor(threads) as pool:
        count = sum(pool.map(work, range(threads)))
    print(count, time.process_time() - before)


def turn(stack: Stack, cores: list[int], seconds: float) -> dict[str, float]:
    """Measures one round on the given cores."""
    auth = stack.services["auth-service"].pid
    assert auth is not None
    everything = os.getpid()
    own = os.sched_getaffinity(0)
    pin(everything, cores)
    bare_rate, bare_ms = bare(seconds, len(cores))
    os.sched_setaffinity(0, own - set(cores) or own)
    before, all_before = cpu_seconds(auth), cpu_seconds(everything)
    # As many at a time as are hashed and one more: the queue is never empty and never long.
    flood = post_flood(f"{stack.base_url}/api/auth/login", json.dumps(ADMIN), seconds, len(cores) + 1)
    ms = (cpu_seconds(auth) - before) / flood.requests * 1e3
    all_ms = (cpu_seconds(everything) - all_before) / flood.requests * 1e3
    os.sched_setaffinity(0, own)
    rate = flood.requests / flood.seconds
    return {
        "cores": len(cores),
        "bare_per_second": bare_rate,
        "logins_per_second": rate,
        "share": rate / bare_rate,
        "bare_cpu_ms": bare_ms,
        "login_cpu_ms": ms,
        "all_cpu_ms": all_ms,
    }


def measure(rounds: int, seconds: float) -> list[dict[str, float]]:
    """Measures rounds on one core, and on all of them, each in a system of its own."""
    cores = sorted(os.sched_getaffinity(0))
    environment = {
        "PATH": os.environ["PATH"],
        "LOG_FORMAT": "json",
        "GATEWAY_RATE_LIMITS": "off",
        "BOOTSTRAP_ADMIN_EMAIL": ADMIN["email"],
        "BOOTSTRAP_ADMIN_PASSWORD": ADMIN["password"],
    }
    turns: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        Path(folder).chmod(0o755)
        for width in sorted({1, len(cores)}):
            workers = {"AUTH_HASH_WORKERS": str(width)}
            with Stack(Path(folder) / str(width), environment | workers) as stack:
                turns += [turn(stack, cores[:width], seconds) for _ in range(rounds)]
    return turns


def main() -> None:
    """Measures and prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.logins", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    options = parser.parse_args()
    machine = report.machine()
    turns = measure(options.rounds, options.seconds)
    print("| cores | bare Argon2id/s | sign-ins/s | share | CPU ms: bare | auth-service | everything |")
    print("|---|---|---|---|---|---|---|")
    for count in sorted({turn["cores"] for turn in turns}):
        mine = [turn for turn in turns if turn["cores"] == count]
        names = ("bare_per_second", "logins_per_second", "share", "bare_cpu_ms", "login_cpu_ms", "all_cpu_ms")
        cells = [
            report.spread([each[name] for each in mine], 0 if name in names[:2] else 2) for name in names
        ]
        print(f"| {count:.0f} | {' | '.join(cells)} |")
    if options.keep:
        results = {"machine": machine, "turns": turns}
        print(f"- raw results: {report.keep(options.keep, results)}")


if __name__ == "__main__":
    main()

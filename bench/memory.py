"""`make bench-memory`: what each service holds under a constant load, in tenths of the time."""

import argparse
import threading
import time
from contextlib import ExitStack
from urllib.error import HTTPError

from bench import report
from bench.growth import PopulatedSystem, filled
from bench.load import stream
from bench.processes import resident_mib
from bench.visitors import visit

WINDOWS = 10
REST_SECONDS = 15.0
"""After the load, before what is held is read a last time: caches of a request are given back by then."""


def soak(
    populated: PopulatedSystem, minutes: float, *, reads_per_second: float, pause_seconds: float = 0.0
) -> dict[str, list[float]]:
    """Lets users make calls one after the other, one user read at a fixed rate, and new users come.

    Args:
        populated: The system.
        minutes: How long; a tenth of it must be shorter than the lifetime of an access token.
        reads_per_second: By the one user.
        pause_seconds: After each of the other users.

    Returns:
        For each service the most that it held in each tenth of the time, in MiB, and last what it held
        15 s after the load.
    """
    url = f"{populated.stack.base_url}/api/users/me"
    most = {name: [0.0] * WINDOWS for name in populated.stack.services}
    for window in range(WINDOWS):
        headers = [f"Authorization: Bearer {populated.sign_in_admin()}"]
        seconds = minutes * 60 / WINDOWS
        reading = threading.Thread(target=stream, args=(url, headers, seconds, reads_per_second))
        until = time.monotonic() + seconds
        reading.start()
        came = False
        while time.monotonic() < until:
            try:
                if came:
                    populated.turn(1)
                else:
                    came = True
                    visit(populated.stack.base_url, window)
            except (RuntimeError, HTTPError) as refused:  # A busy machine must not end an hour's measurement.
                print(f"- not counted: {refused}", flush=True)
            for name, held in _held(populated).items():
                most[name][window] = max(most[name][window], held)
            time.sleep(pause_seconds)
        reading.join()
        print(
            f"- tenth {window + 1}: {', '.join(f'{name} {each[window]:.1f}' for name, each in most.items())}",
            flush=True,
        )
    time.sleep(REST_SECONDS)
    for name, held in _held(populated).items():
        most[name].append(held)
    return most


def _held(populated: PopulatedSystem) -> dict[str, float]:
    held = {}
    for name, service in populated.stack.services.items():
        assert service.pid is not None
        held[name] = resident_mib(service.pid)
    return held


def main() -> None:
    """Fills a system, loads it and prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--reads", type=float, default=100.0, metavar="PER_SECOND", help="by one user")
    parser.add_argument(
        "--pause", type=float, default=0.0, metavar="SECONDS", help="after each other user's calls"
    )
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    options = parser.parse_args()
    machine = report.machine()
    with ExitStack() as closing:
        populated = filled(closing, options.users, options.users)
        memory = soak(populated, options.minutes, reads_per_second=options.reads, pause_seconds=options.pause)
    print(f"\n| MiB in each tenth |{' |' * WINDOWS} {REST_SECONDS:.0f} s later |")
    print("|---" * (WINDOWS + 2) + "|")
    for service, held in memory.items():
        print(f"| {service} | {' | '.join(f'{each:.1f}' for each in held)} |")
    if options.keep:
        print(f"- raw results: {report.keep(options.keep, {'machine': machine, 'memory_mib': memory})}")


if __name__ == "__main__":
    main()

"""`make bench`: the edge against others on the same work, in one table."""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from bench import edge, report
from bench.contestants import ASGI, CACHED, ENVOY, STARLETTE, UNCACHED, opened
from bench.load import client_name

_COMPARED = ((CACHED, ASGI), (CACHED, ENVOY), (UNCACHED, STARLETTE), (UNCACHED, ENVOY))


def main() -> None:
    """Measures, prints Markdown and keeps the raw results."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    given = edge.Plan()
    parser.add_argument("--rounds", type=int, default=given.rounds)
    parser.add_argument("--flood-seconds", type=float, default=given.flood_seconds)
    parser.add_argument("--stream-seconds", type=float, default=given.stream_seconds)
    parser.add_argument("--rate", type=float, default=given.rate, help="requests a second for latencies")
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    options = parser.parse_args()
    plan = edge.Plan(options.rounds, options.flood_seconds, options.stream_seconds, options.rate)
    machine = report.machine()
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        Path(folder).chmod(0o755)  # Postgres may run as a user of its own.
        with opened(Path(folder)) as comparison:
            turns = edge.run(comparison, plan, lambda done: print(done, file=sys.stderr, flush=True))
    print(report.table(turns))
    names = {turn.name for turn in turns}
    print()
    for one, other in _COMPARED:
        if {one, other} <= names:
            middle, least, most = report.ratio(turns, one, other)
            print(f"- {one}: {middle:.2f} times {other} (rounds from {least:.2f} to {most:.2f})")
    client_us = statistics.median(turn.client_cpu_us for turn in turns if turn.name == ASGI)
    late = statistics.median(turn.client_late_p99_ms for turn in turns)
    most = 1e6 / client_us
    print(f"- client of the floods: {client_name()}, {client_us:.1f} µs a request, so at most {most:,.0f}/s")
    print(f"- client of the latencies: bench/client.py, {plan.rate:.0f}/s, itself {late:.2f} ms late at p99")
    if options.keep:
        results = {"machine": machine, "turns": edge.as_json(turns)}
        print(f"- raw results: {report.keep(options.keep, results)}")


if __name__ == "__main__":
    main()

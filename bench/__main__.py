"""`make bench`: the edge and services against others on the same work, and every figure against its limit."""

import argparse
import os
import statistics
import sys
from contextlib import redirect_stdout

from bench import edge, report
from bench.contestants import ASGI
from bench.load import client_name
from bench.parts import PARTS, measure_edge
from bench.verdicts import Verdict, table

EDGE_PART = "edge"


def main() -> None:
    """Measures, prints Markdown and keeps the raw results."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    given = edge.Plan()
    parts = (EDGE_PART, *PARTS)
    parser.add_argument("--parts", nargs="*", choices=parts, default=parts, help="what to measure")
    parser.add_argument("--rounds", type=int, default=given.rounds)
    parser.add_argument("--flood-seconds", type=float, default=given.flood_seconds)
    parser.add_argument("--stream-seconds", type=float, default=given.stream_seconds)
    parser.add_argument("--rate", type=float, default=given.rate, help="requests per second for latencies")
    parser.add_argument(
        "--keep", metavar="NAME", help="write the edge's raw results to bench/results/NAME.json"
    )
    options = parser.parse_args()
    plan = edge.Plan(options.rounds, options.flood_seconds, options.stream_seconds, options.rate)
    machine, verdicts = report.machine(), list[Verdict]()
    if EDGE_PART in options.parts:
        turns, verdicts = measure_edge(plan)
        print(_contestants(turns, plan))
        if options.keep:
            results = {"machine": machine, "turns": edge.as_json(turns)}
            print(f"- raw results: {report.keep(options.keep, results)}")
    failed = []
    for name in (name for name in PARTS if name in options.parts):
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        try:
            with redirect_stdout(sys.stderr):
                verdicts += PARTS[name]()
        except Exception as error:  # noqa: BLE001 the other figures are still worth having
            failed.append(f"**{name} could not be measured**: {error!r}")
    print("\n".join(("", table(verdicts, machine["load_before"]), *failed)))
    system = f"{os.uname().release}, transparent huge pages: {machine['huge_pages']}"
    print(f"{machine['processor']}, Python {machine['python']}, {system}, {machine['at']}")


def _contestants(turns: list[edge.Turn], plan: edge.Plan) -> str:
    """Returns the table of all contestants, and what is to be known of those who made the requests."""
    client_us = statistics.median(turn.client_cpu_us for turn in turns if turn.name == ASGI)
    late = statistics.median(turn.client_late_p99_ms for turn in turns)
    floods = f"{client_name()}, {client_us:.1f} µs per request, so at most {1e6 / client_us:,.0f}/s"
    latencies = f"bench/client.py, {plan.rate:.0f}/s, itself {late:.2f} ms late at p99"
    return (
        f"{report.table(turns)}\n\n- client of the floods: {floods}\n- client of the latencies: {latencies}"
    )


if __name__ == "__main__":
    main()

"""`make bench-idle`: what each service costs while there is nothing to do.

The whole system runs and no request is made: what remains are heartbeats, health checks, polls and timers.
"""

import argparse
import os
import sys
import time
from dataclasses import asdict, dataclass

from devstack.service import ServiceProcess
from devstack.topology import SERVICES

from bench import report
from bench.processes import cpu_seconds, resident_mib, wake_ups
from bench.stacks import running_stack

LIMIT_PERCENT = 0.3
"""Of one core."""

SETTLE_SECONDS = 45.0
"""Until the start is over: first checks, first scrapes, first reconnections, and the heartbeats after it."""


@dataclass(frozen=True, slots=True)
class Idle:
    """What a service took while it was idle.

    Attributes:
        percent: Processor time, in percent of one core.
        wake_ups: How often per second one of its threads was woken.
        memory_mib: Resident at the end.
    """

    percent: float
    wake_ups: float
    memory_mib: float


def measure(services: dict[str, ServiceProcess], seconds: float) -> dict[str, Idle]:
    """Returns what each service takes in that time."""
    pids = {name: service.pid or 0 for name, service in services.items()}
    before = {name: (cpu_seconds(pid), wake_ups(pid)) for name, pid in pids.items()}
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    return {
        name: Idle(
            percent=(cpu_seconds(pid) - before[name][0]) / passed * 100,
            wake_ups=(wake_ups(pid) - before[name][1]) / passed,
            memory_mib=resident_mib(pid),
        )
        for name, pid in pids.items()
    }


def main() -> None:
    """Measures, prints Markdown, and ends with 1 if a service exceeds the limit."""
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    options = parser.parse_args()
    machine = report.machine()
    with running_stack({service.switch: "1" for service in SERVICES if service.switch}) as stack:
        time.sleep(SETTLE_SECONDS)
        found = measure(dict(stack.services), options.seconds)
    print(
        "| service | CPU, % of a core | wake-ups per second | memory, MiB | verdict |\n|---|---|---|---|---|"
    )
    for name, idle in found.items():
        verdict = "holds" if idle.percent <= LIMIT_PERCENT else "**exceeded**"
        print(f"| {name} | {idle.percent:.2f} | {idle.wake_ups:.0f} | {idle.memory_mib:.0f} | {verdict} |")
    load = os.getloadavg()[0]
    print(f"\nlimit {LIMIT_PERCENT} %, over {options.seconds:.0f} s, load of the machine {load:.1f}")
    if options.keep:
        kept = {"machine": machine, **{name: asdict(idle) for name, idle in found.items()}}
        print(f"- raw results: {report.keep(options.keep, kept)}")
    sys.exit(any(idle.percent > LIMIT_PERCENT for idle in found.values()))


if __name__ == "__main__":
    main()

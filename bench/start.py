"""`make bench-start`: what a start of each service costs, in processor time and in time until it is ready.

A rollout starts a process of each service beside those that serve. The whole system runs, each service is
stopped and started again by itself, and its processor time is read from /proc when it is ready and its
memory some seconds later.
"""

import argparse
import os
import statistics
import time
from dataclasses import dataclass, field

from devstack.service import ServiceProcess

from bench import report
from bench.processes import cpu_seconds, resident_mib
from bench.stacks import running_stack

SETTLE_SECONDS = 3.0
LIMIT_CPU_SECONDS = 0.5


@dataclass
class Starts:
    """What the starts of one service took.

    Attributes:
        cpu_seconds: User and system time of the process when it was ready.
        ready_seconds: From the start of the process until `/ready` said so.
        memory_mib: Resident, some seconds later.
    """

    cpu_seconds: list[float] = field(default_factory=list)
    ready_seconds: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)

    def measure(self, process: ServiceProcess) -> None:
        """Stops a service, starts it and measures."""
        process.stop()
        began = time.perf_counter()
        process.start()
        process.wait_until_ready()
        self.ready_seconds.append(time.perf_counter() - began)
        assert process.pid is not None
        self.cpu_seconds.append(cpu_seconds(process.pid))
        time.sleep(SETTLE_SECONDS)
        self.memory_mib.append(resident_mib(process.pid))


def measure(number: int) -> dict[str, Starts]:
    """Starts a system's services `number` times, one after the other."""
    with running_stack() as stack:
        # Those that run: an optional service is off unless its setting is on.
        found = {name: Starts() for name in stack.services}
        for _ in range(number):
            for name, starts in found.items():
                starts.measure(stack.services[name])
    return found


def main() -> None:
    """Measures and prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.start", description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    options = parser.parse_args()
    found = measure(options.starts)
    print("| service | CPU until ready, s | ready after, s | memory, MiB | verdict |\n|---|---|---|---|---|")
    for name, starts in found.items():
        cpu, ready = statistics.median(starts.cpu_seconds), statistics.median(starts.ready_seconds)
        verdict = "holds" if cpu <= LIMIT_CPU_SECONDS else "**exceeded**"
        memory = statistics.median(starts.memory_mib)
        print(f"| {name} | {cpu:.2f} | {ready:.2f} | {memory:.0f} | {verdict} |")
    load = os.getloadavg()[0]
    print(
        f"\nlimit {LIMIT_CPU_SECONDS} CPU seconds, median of {options.starts}, load of the machine {load:.1f}"
    )
    if options.keep:
        kept = {"machine": report.machine(), **{name: vars(starts) for name, starts in found.items()}}
        print(f"- raw results: {report.keep(options.keep, kept)}")


if __name__ == "__main__":
    main()

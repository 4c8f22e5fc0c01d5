"""`make bench-audit`: how fast the audit chain is verified, in how much memory, and how fast it grows.

Writers append entries by the use case of auth-service, each in a transaction of its own: all wait for the
lock of the one chain. Then entries are copied into Postgres, each with its hash, and the operator's command
verifies them all.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.audit import AuditEntry
from auth_service.usecases.audit import RecordAudit
from chassis.ids import uuid7
from chassis.postgres.pool import open_pool
from devstack.stack import Stack

from bench import population, report
from bench.load import ROOT
from bench.processes import resident_mib
from bench.stacks import running_stack

WRITERS = (1, 4, 16)
_STATEMENT_SECONDS = 60.0
"""On a busy machine an append waits for the chain's lock for seconds."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying a chain took.

    Attributes:
        entries: Its length.
        seconds: By the clock, with the start of the command.
        memory_mib: The most that the command held, in each tenth of its time.
    """

    entries: int
    seconds: float
    memory_mib: list[float]

    @property
    def entries_per_second(self) -> float:
        """How many were verified per second."""
        return self.entries / self.seconds


def verified(stack: Stack) -> Verification:
    """Runs the operator's command that verifies the audit chain.

    Raises:
        RuntimeError: it is not intact.
    """
    environment = {"PATH": os.environ["PATH"], "AUTH_POSTGRES_URL": stack.database.url("auth_service")}
    command = [sys.executable, "-m", "auth_service", "audit", "verify"]
    began, held = time.perf_counter(), list[float]()
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        while process.poll() is None:
            held.append(resident_mib(process.pid))
            time.sleep(0.2)
        seconds = time.perf_counter() - began
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        raise RuntimeError(f"audit verify: {output}")
    tenth = -(-len(held) // 10)
    most = [max(held[at : at + tenth]) for at in range(0, len(held), tenth)]
    return Verification(int(output.split()[1]), seconds, most)


def appended(url: str, writers: int, seconds: float) -> float:
    """Returns how many entries per second a number of writers append together."""
    return asyncio.run(_appended(url, writers, seconds))


async def _appended(url: str, writers: int, seconds: float) -> float:
    count, user_id = 0, uuid7()
    async with open_pool(
        url,
        application_name="bench",
        max_size=writers,
        statement_timeout_seconds=_STATEMENT_SECONDS,
        lock_timeout_seconds=_STATEMENT_SECONDS,
    ) as pool:
        record = RecordAudit(PostgresUnitsOfWork(pool), {})
        until = time.perf_counter() + seconds

        async def write() -> None:
            nonlocal count
            while time.perf_counter() < until:
                await record(
                    entry=AuditEntry(
                        occurred_at=datetime.now(UTC),
                        action="auth.login",
                        outcome="success",
                        actor_id=user_id,
                        subject_id=user_id,
                        details={"session_id": str(user_id)},
                    )
                )
                count += 1

        await asyncio.gather(*(write() for _ in range(writers)))
    return count / seconds


def main() -> None:
    """Measures and prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000_000, help="to verify; 400 bytes of disk each")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="of appending, for each number of writers"
    )
    parser.add_argument("--keep", metavar="NAME", help="write raw results to bench/results/NAME.json")
    options = parser.parse_args()
    machine = report.machine()
    with running_stack() as stack:
        for name in list(stack.services):
            stack.stop_part(name)
        url = stack.database.url("auth_service")
        rates = {writers: appended(url, writers, options.seconds) for writers in WRITERS}
        print("| writers | entries appended per second |\n|---|---|")
        for writers, rate in rates.items():
            print(f"| {writers} | {rate:,.0f} |")
        began = time.perf_counter()
        population.add_audit_entries(stack.database, options.entries)
        print(f"\n- {options.entries:,} entries copied in {time.perf_counter() - began:.0f} s", flush=True)
        chain = verified(stack)
    print(f"- {chain.entries:,} entries verified in {chain.seconds:.0f} s,", end=" ")
    print(f"{chain.entries_per_second:,.0f} per second")
    print(f"- memory of the command, MiB: {' '.join(f'{each:.0f}' for each in chain.memory_mib)}")
    print(f"- load of the machine {os.getloadavg()[0]:.1f}")
    if options.keep:
        results = {"machine": machine, "appended": rates, "verified": asdict(chain)}
        print(f"- raw results: {report.keep(options.keep, results)}")


if __name__ == "__main__":
    main()

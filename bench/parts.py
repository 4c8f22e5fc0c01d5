"""The parts of `make bench`: each runs a system of its own and holds what it measures against a limit."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import uvloop

from bench import audit, edge, flood, growth, health, idle, logins, population, report, start, streams
from bench.contestants import ASGI, BARE_SERVICE, CACHED, EDGE, ENVOY, SERVICE, STARLETTE, UNCACHED, opened
from bench.memory import REST_SECONDS
from bench.processes import resident_mib
from bench.stacks import running_stack
from bench.verdicts import Verdict
from bench.visitors import visit

IDLE_SECONDS = 30.0
AUTH_CORES = 1
"""What auth-service is kept to during the flood, as a pod is by its CPU limit."""

AUDIT_ENTRIES = 200_000
APPENDS_PER_SECOND = 100
"""Twice the sign-ins of two cores, each of which appends one entry."""

VERIFIED_PER_SECOND = 2_800
"""Ten million in an hour."""

GROWTH_USERS = (1_000, 100_000)
_FILTERED = (growth.AUDIT_OF, growth.AUDIT_BY)

_RATIOS = (
    ("cached read, to bare ASGI", CACHED, ASGI, EDGE, 2.0),
    ("cached read, to Envoy", CACHED, ENVOY, EDGE, 0.33),
    ("read through gRPC, to Starlette + grpc.aio", UNCACHED, STARLETTE, EDGE, 1.1),
    ("service's side of a read, to a bare servicer", STARLETTE, BARE_SERVICE, SERVICE, 1.3),
)


def measure_edge(plan: edge.Plan) -> tuple[list[edge.Turn], list[Verdict]]:
    """Measures reads, and before them what services take while they are idle; then their memory."""
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        Path(folder).chmod(0o755)  # Postgres may run as a user of its own.
        with opened(Path(folder)) as comparison:
            services = dict(comparison.stack.services)
            time.sleep(idle.SETTLE_SECONDS)
            idled = idle.measure(services, IDLE_SECONDS)
            comparison.idle_percent.update({name: each.percent for name, each in idled.items()})
            turns = edge.run(comparison, plan, lambda done: print(done, file=sys.stderr, flush=True))
            visit(comparison.stack.base_url)
            time.sleep(REST_SECONDS)
            memory = {name: resident_mib(service.pid or 0) for name, service in services.items()}
    names = {turn.name for turn in turns}
    verdicts = [
        Verdict(name, report.ratios(turns, one, other, process), limit, "times")
        for name, one, other, process, limit in _RATIOS
        if {one, other} <= names
    ]
    verdicts += [
        Verdict(f"{name}, idle", [each.percent], idle.LIMIT_PERCENT, "% of a core")
        for name, each in idled.items()
    ]
    verdicts += [
        Verdict(f"{name}, memory after reads, sign-ins and mails", [mib * 1.048576], 90, "MB", digits=1)
        for name, mib in memory.items()
    ]
    return turns, verdicts


def sign_ins() -> list[Verdict]:
    """Measures whole sign-ins against bare Argon2id on the same cores."""
    turns = logins.measure(rounds=3, seconds=4.0)
    return [
        Verdict(
            f"sign-ins, to bare Argon2id on {cores:.0f} cores",
            [turn["share"] for turn in turns if turn["cores"] == cores],
            1.05 if cores == 1 else 0.95,
            "times",
            at_least=True,
        )
        for cores in sorted({turn["cores"] for turn in turns})
    ]


def floods() -> list[Verdict]:
    """Measures reads while ten times as many sign-ins come as can be answered."""
    found = flood.run(rounds=4, seconds=4.0, auth_cores=AUTH_CORES, settings={})["among"]
    reads = [
        Verdict(
            f"p99 of reads during a flood of sign-ins, to idle, among {name}{which}",
            [flood.p99_to_idle(each, figure)],
            2.0,
            "times",
        )
        for name, each in found.items()
        for figure, which in (
            ("p99_ms", ""),
            ("steady_p99_ms", f", without the {flood.slow_share(each):.1%} of the time that a core was slow"),
        )
    ]
    goodput = [
        Verdict(
            f"sign-ins answered meanwhile, to the peak, among {name}",
            [each["answered_per_second"] / each["capacity_per_second"]],
            0.9,
            "times",
            at_least=True,
        )
        for name, each in found.items()
    ]
    return [*reads, *goodput]


def starts() -> list[Verdict]:
    """Measures how long services take until they are ready."""
    return [
        Verdict(f"{name}, ready", each.ready_seconds, 1.0, "s") for name, each in start.measure(2).items()
    ]


def sound() -> list[Verdict]:
    """Measures a frame of sound through the gateway."""
    frames = asyncio.run(streams.sound(turns=2, number=20, seconds=4.0))
    return [Verdict("100 ms of sound through the gateway", frames, 300, "µs", digits=0)]


def sweeps() -> list[Verdict]:
    """Measures a sweep over many targets against its slowest check."""
    _, over, _ = uvloop.run(health.sweep_time(1000))
    return [Verdict("health sweep of 1,000 targets, over its slowest", [over * 100], 10, "%", digits=1)]


def audit_chain() -> list[Verdict]:
    """Measures appends to the audit chain and its verification; `make bench-audit` does with 10⁷ entries."""
    with running_stack() as stack:
        for name in list(stack.services):
            stack.stop_part(name)
        url = stack.database.url("auth_service")
        rates = [audit.appended(url, 16, 2.0) for _ in range(2)]
        population.add_audit_entries(stack.database, AUDIT_ENTRIES)
        chain = audit.verified(stack)
    held = chain.memory_mib
    return [
        Verdict(
            "audit entries appended by 16 writers", rates, APPENDS_PER_SECOND, "/s", at_least=True, digits=0
        ),
        Verdict(
            f"audit entries verified, of {chain.entries:,}",
            [chain.entries_per_second],
            VERIFIED_PER_SECOND,
            "/s",
            at_least=True,
            digits=0,
        ),
        Verdict(
            "memory of that, last tenth to fifth", [held[-1] / held[(len(held) - 1) // 2]], 1.05, "times"
        ),
    ]


def growth_of_look_ups() -> list[Verdict]:
    """Measures look-ups among many users; `make bench-growth` does among 10⁶."""
    with ExitStack() as closing:
        systems = growth.grown(closing, GROWTH_USERS, max(GROWTH_USERS), rounds=3, users=5)
        ratios = {step: growth.ratio(systems, step) for step in growth.LOOK_UPS}
    among = f"among {max(GROWTH_USERS):,} users, to {min(GROWTH_USERS):,}"
    return [
        Verdict(f"{growth.SEARCH}, {among}", [ratios[growth.SEARCH]], 1.5, "times"),
        Verdict(f"filtered audit, {among}", [max(ratios[step] for step in _FILTERED)], 1.5, "times"),
        Verdict(f"the step that grows most, {among}", [max(ratios.values())], 1.5, "times"),
    ]


PARTS: Mapping[str, Callable[[], list[Verdict]]] = {
    "sign-ins": sign_ins,
    "flood": floods,
    "starts": starts,
    "sound": sound,
    "sweeps": sweeps,
    "audit": audit_chain,
    "growth": growth_of_look_ups,
}
"""What is measured besides the edge."""

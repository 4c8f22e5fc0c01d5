"""Figures of the health aggregator: run by `make bench-health`.

Detection and sweeps are real: real sockets, real time, the aggregator on one core, its targets in
another process. False flips are rare, so days of them are simulated: the same damping and the same
schedule, fed with drawn outcomes, on a clock that jumps from check to check. The report says which is
which.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop
from chassis.clock import SystemClock
from health_aggregator.adapters.check_factory import CheckFactory
from health_aggregator.domain.board import Board
from health_aggregator.domain.check import CheckResult
from health_aggregator.domain.damping import Damped, DampingRules, step
from health_aggregator.domain.observer import Observer
from health_aggregator.domain.schedule import next_delay_seconds
from health_aggregator.domain.state import Change, State
from health_aggregator.domain.target import Cadence, Target
from health_aggregator.usecases.check_scheduler import CheckScheduler
from health_aggregator.usecases.checks import CheckAll, RunCheck

SIZES = (10, 100, 1000)
LATENCY_MS, JITTER_MS, LOSS = 20.0, 10.0, 0.01
SLOWEST_MS = 1000.0
CADENCE = Cadence()
RULES = DampingRules()
FARM = Path(__file__).with_name("health_farm.py")
_DAY = 86400.0
_WITHIN_SECONDS = 60.0


class Farm:
    """The targets."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert process.stdout is not None
        self.port = int(process.stdout.readline())

    def send(self, command: str) -> None:
        """Sends a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()


@contextmanager
def farm(*arguments: float) -> Iterator[Farm]:
    """Runs the targets on another core than ours, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    process = subprocess.Popen(
        [sys.executable, str(FARM), *(str(argument) for argument in arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.sched_setaffinity(process.pid, {cores[-1]})
    os.sched_setaffinity(0, {cores[0]})
    try:
        yield Farm(process)
    finally:
        os.sched_setaffinity(0, set(cores))
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


class Recorder(Observer):
    """Records changes with their times, and the slowest check."""

    def __init__(self) -> None:
        self.changes: list[tuple[float, Change]] = []
        self.slowest_seconds = 0.0

    def checked(self, target: Target, result: CheckResult) -> None:  # noqa: ARG002 of any target
        """Records the slowest check."""
        self.slowest_seconds = max(self.slowest_seconds, result.latency_seconds)

    def failed(self, target: Target, error: Exception) -> None:
        """Ends the benchmark: a faulty check measures nothing."""
        raise SystemExit(f"{target.name}: {error!r}")

    def changed(self, changes: Sequence[Change]) -> None:
        """Records changes."""
        now = time.monotonic()
        self.changes.extend((now, change) for change in changes)


def aggregator(count: int, port: int) -> tuple[Recorder, CheckScheduler, CheckAll, list[Target]]:
    """Returns an aggregator without its servers."""
    recorder, board, clock = Recorder(), Board("self"), SystemClock()
    run_check = RunCheck(board, clock, recorder)
    scheduler = CheckScheduler(board, run_check, CheckFactory(clock, lambda: None), clock, recorder)
    targets = [
        Target(str(number), "http", options={"url": f"http://127.0.0.1:{port}/{number}"})
        for number in range(count)
    ]
    return recorder, scheduler, CheckAll(run_check, scheduler.checks), targets


async def sweep_time(count: int) -> tuple[float, float, float]:
    """Returns medians over sweeps: its time, that over the slowest check in it, and processor time."""
    with farm(LATENCY_MS, JITTER_MS, 0.0, SLOWEST_MS) as targets_farm:
        recorder, scheduler, check_all, targets = aggregator(count, targets_farm.port)
        slow = [
            Target(
                each.name,
                each.kind,
                options=each.options,
                cadence=Cadence(interval_seconds=3600, timeout_seconds=2),
            )
            for each in targets
        ]
        await scheduler.set_targets(slow)
        await asyncio.sleep(3)
        times, over, used = [], [], []
        for _ in range(9):
            recorder.slowest_seconds = 0.0
            started, before = time.perf_counter(), time.process_time()
            await check_all()
            times.append(time.perf_counter() - started)
            over.append(times[-1] / recorder.slowest_seconds - 1)
            used.append(time.process_time() - before)
        await scheduler.close()
    return statistics.median(times), statistics.median(over), statistics.median(used)


async def detection(count: int, rounds: int) -> tuple[list[float], list[float], float, int]:
    """Kills and revives targets.

    Returns:
        Seconds to detect, seconds to clear, the share of a core used, and false flips of the others.
    """
    with farm(LATENCY_MS, JITTER_MS, LOSS, 0.0) as targets_farm:
        recorder, scheduler, _, targets = aggregator(count, targets_farm.port)
        await scheduler.set_targets(targets)
        await asyncio.sleep(8)
        found: list[float] = []
        cleared: list[float] = []
        victims = {str(random.randrange(count)) for _ in range(rounds)}
        began, used = time.monotonic(), time.process_time()
        for victim in victims:
            # On a busy machine even a sound target may be down for a moment: it is killed when it is up.
            while scheduler.board.damped(victim).state is not State.UP:  # noqa: ASYNC110 it may poll
                await asyncio.sleep(0.05)
            found.append(await _until(recorder, victim, State.DOWN, targets_farm, f"die {victim}"))
            await asyncio.sleep(random.random() * 2)
            cleared.append(await _until(recorder, victim, State.UP, targets_farm, f"live {victim}"))
        share = (time.process_time() - used) / (time.monotonic() - began)
        await scheduler.close()
        wrong = [
            change
            for at, change in recorder.changes
            if at > began and change.name not in victims and change.state in {State.DOWN, State.FLAPPING}
        ]
    return found, cleared, share, len(wrong)


async def _until(recorder: Recorder, name: str, state: State, targets_farm: Farm, command: str) -> float:
    seen = len(recorder.changes)
    started = time.monotonic()
    targets_farm.send(command)
    while True:
        for at, change in recorder.changes[seen:]:
            if change.name == name and change.state is state:
                return at - started
        if time.monotonic() - started > _WITHIN_SECONDS:
            raise SystemExit(f"{name} never became {state.value}")
        await asyncio.sleep(0.005)


def false_flips(target_days: float, *, burst_seconds: float) -> tuple[int, int]:
    """Simulates one sound target behind a lossy network.

    Args:
        target_days: How long.
        burst_seconds: Mean length of a loss: 0 loses each check by itself, otherwise losses come in bursts
            that make up the same share of time.

    Returns:
        How often it was called down or flapping, and how many checks were made.
    """
    damped = Damped(state=State.UP, confirmed=True, success=True, run=1)
    at, flips, checks = 0.0, 0, 0
    gap = burst_seconds * (1 - LOSS) / LOSS
    lost_from, lost_until = _next_burst(0.0, gap, burst_seconds)
    while at < target_days * _DAY:
        if burst_seconds:
            while at >= lost_until:
                lost_from, lost_until = _next_burst(lost_until, gap, burst_seconds)
            success = at < lost_from
        else:
            success = random.random() >= LOSS
        before, damped = damped.state, step(damped, RULES, success=success)
        flips += damped.state is not before and damped.state in {State.DOWN, State.FLAPPING}
        checks += 1
        at += (0.02 if success else CADENCE.timeout_seconds) + next_delay_seconds(
            CADENCE, damped, down_threshold=RULES.failures_to_down, chance=random.random()
        )
    return flips, checks


def _next_burst(after: float, gap: float, length: float) -> tuple[float, float]:
    if not length:
        return float("inf"), float("inf")
    start = after + random.expovariate(1 / gap)
    return start, start + random.expovariate(1 / length)


def flapping_target(half_period_seconds: float, hours: float = 2.0) -> tuple[float | None, float, float]:
    """Simulates a target that goes up and down.

    Returns:
        Seconds until it is called flapping, changes of state reported per hour, and changes made per hour.
    """
    damped = Damped(state=State.UP, confirmed=True, success=True, run=1)
    at, named, reported = 0.0, None, 0
    while at < hours * 3600:
        success = at // half_period_seconds % 2 == 0
        before, damped = damped.state, step(damped, RULES, success=success)
        reported += damped.state is not before
        if damped.state is State.FLAPPING and named is None:
            named = at
        at += 0.02 + next_delay_seconds(
            CADENCE, damped, down_threshold=RULES.failures_to_down, chance=random.random()
        )
    return named, reported / hours, 3600 / half_period_seconds


def main() -> None:
    """Measures everything and prints Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20, help="targets killed a size")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of targets")
    parser.add_argument("--days", type=float, default=100.0, help="target-days simulated")
    options = parser.parse_args()
    random.seed(1)
    print("| targets | sweep | over the slowest check in it | processor time |\n|---|---|---|---|")
    for count in options.sizes:
        median, over, used = uvloop.run(sweep_time(count))
        print(f"| {count} | {median * 1000:.0f} ms | + {over:.1%} | {used * 1000:.0f} ms |", flush=True)
    print(f"\nLoad of the machine meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    print("\n| targets | detect, median | p95 | clear, median | p95 | core used | flips of others |")
    print("|---|---|---|---|---|---|---|")
    for count in options.sizes:
        found, cleared, share, wrong = uvloop.run(detection(count, options.rounds))
        figures = [f"{f(each):.2f} s" for each in (found, cleared) for f in (statistics.median, _p95)]
        print(f"| {count} | {' | '.join(figures)} | {share:.0%} | {wrong} |", flush=True)
    print("\n| losses (simulated) | false flips a target and day | target-days | checks |")
    print("|---|---|---|---|")
    for name, burst in (("each check by itself", 0.0), ("bursts of 0.1 s", 0.1), ("bursts of 0.5 s", 0.5)):
        flips, checks = false_flips(options.days, burst_seconds=burst)
        print(f"| {name} | {flips / options.days:.3f} | {options.days:.0f} | {checks:,} |", flush=True)
    print("\n| up and down every (simulated) | called flapping after | changes reported per hour | it made |")
    print("|---|---|---|---|")
    for half_period in (0.7, 1.5, 3.0, 5.0, 10.0):
        named, reported, made = flapping_target(half_period)
        when = "never" if named is None else f"{named:.0f} s"
        print(f"| {half_period:g} s | {when} | {reported:.0f} | {made:.0f} |")


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


if __name__ == "__main__":
    main()

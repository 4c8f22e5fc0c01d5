"""Scheduling the checks of every target."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import partial

from chassis.clock import Clock
from chassis.dataclass import dataclass

from chassis import ticks
from health_aggregator.domain.board import Board
from health_aggregator.domain.check import Check, CheckFactory
from health_aggregator.domain.observer import Observer
from health_aggregator.domain.schedule import next_delay_seconds, phase_seconds
from health_aggregator.domain.target import Target
from health_aggregator.usecases.checks import RunCheck

_AGE_SECONDS = 2.0
_WAKE_SECONDS = 0.02


@dataclass(slots=True)
class _Job:
    target: Target
    check: Check
    timer: asyncio.TimerHandle | None = None
    running: asyncio.Task[None] | None = None
    woken: bool = False
    runs: int = 0


@dataclass(slots=True)
class CheckScheduler:
    """Checks targets at intervals: shorter while a change is unconfirmed, longer while a target is down."""

    board: Board
    run_check: RunCheck
    make_check: CheckFactory
    clock: Clock
    observer: Observer
    _jobs: dict[str, _Job] = field(default_factory=dict)
    # The files and the cluster change the targets at the same time, also while the process stops.
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _closed: bool = False

    def checks(self) -> Mapping[str, tuple[Target, Check]]:
        """Returns each target that is checked, and its check."""
        return {name: (job.target, job.check) for name, job in self._jobs.items()}

    async def set_targets(self, targets: Sequence[Target]) -> None:
        """Checks these targets from now on; a check whose kind and options are unchanged is kept.

        Concurrent calls apply in the order in which they were made; after `close` they do nothing.
        """
        async with self._changing:
            if not self._closed and tuple(targets) != self.board.targets:
                await self._apply(targets)

    async def _apply(self, targets: Sequence[Target]) -> None:
        self.board.retarget(targets, now=time.monotonic(), at=self.clock.now())
        wanted = {target.name: target for target in targets if target.enabled}
        for name, job in list(self._jobs.items()):
            target = wanted.get(name)
            if target is None or (target.kind, target.options) != (job.target.kind, job.target.options):
                await self._drop(name)
            else:
                job.target = target
        for name, target in wanted.items():
            if name not in self._jobs:
                self._jobs[name] = _Job(target, self.make_check(target, partial(self.wake, name)))
                self._schedule(self._jobs[name], random.random() * _WAKE_SECONDS)  # noqa: S311

    def wake(self, name: str) -> None:
        """Checks a target almost at once, because something about it has changed."""
        job = self._jobs.get(name)
        if job is None or job.woken:
            return
        job.woken = True
        if job.running is None:
            self._schedule(job, _WAKE_SECONDS)

    async def run(self) -> None:
        """Marks stale components, until cancelled."""
        while True:
            await asyncio.sleep(ticks.until_next(_AGE_SECONDS))
            changes = self.board.age(now=time.monotonic(), at=self.clock.now())
            if changes:
                self.observer.changed(changes)

    async def close(self) -> None:
        """Stops checking and closes every connection."""
        async with self._changing:
            self._closed = True
            for name in list(self._jobs):
                await self._drop(name)

    def _schedule(self, job: _Job, delay_seconds: float) -> None:
        if job.timer is not None:
            job.timer.cancel()
        job.timer = asyncio.get_running_loop().call_later(delay_seconds, self._start, job)

    def _start(self, job: _Job) -> None:
        job.woken = False
        running = self.run_check.begin(job.target, job.check, job.target.cadence.timeout_seconds)
        job.running = running
        running.add_done_callback(lambda _: self._ended(job))

    def _ended(self, job: _Job) -> None:
        job.running = None
        target = job.target
        if self._jobs.get(target.name) is not job:
            return
        job.runs += 1
        if job.woken:
            delay_seconds = _WAKE_SECONDS
        else:
            delay_seconds = next_delay_seconds(
                target.cadence,
                self.board.damped(target.name),
                down_threshold=target.damping.failures_to_down,
                chance=0.5 if target.checked_together else random.random(),  # noqa: S311 not for security
            )
        if target.checked_together:
            delay_seconds = ticks.until_next(delay_seconds)
        elif job.runs == 1 and delay_seconds >= target.cadence.interval_seconds / 2:
            # All first checks start at once; afterwards each target has its own offset in the period.
            delay_seconds = phase_seconds(target.name, target.cadence.interval_seconds)
        self._schedule(job, delay_seconds)

    async def _drop(self, name: str) -> None:
        job = self._jobs.pop(name)
        if job.timer is not None:
            job.timer.cancel()
        await self.run_check.cancel(name)
        if job.running is not None:
            await asyncio.wait((job.running,))
        await job.check.close()

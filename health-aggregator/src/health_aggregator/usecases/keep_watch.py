"""Keeps looking at every target, each at its own pace."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from chassis.clock import Clock

from health_aggregator.domain.board import Board
from health_aggregator.domain.ports import ChangePublisher, Check, CheckFactory
from health_aggregator.domain.schedule import next_delay_seconds, phase_seconds
from health_aggregator.domain.target import Target
from health_aggregator.usecases.run_check import RunCheck

_AGE_SECONDS = 0.5
_WAKE_SECONDS = 0.02


@dataclass(slots=True)
class _Watch:
    target: Target
    check: Check
    timer: asyncio.TimerHandle | None = None
    looking: asyncio.Task[None] | None = None
    woken: bool = False
    looks: int = 0


@dataclass(slots=True)
class KeepWatch:
    """Schedules the checks of every target: steady, faster at an edge, slower while down."""

    board: Board
    run_check: RunCheck
    make_check: CheckFactory
    clock: Clock
    publisher: ChangePublisher
    _watches: dict[str, _Watch] = field(default_factory=dict)

    def watched(self) -> Mapping[str, tuple[Target, Check]]:
        """Returns each target that is checked, and its check."""
        return {name: (watch.target, watch.check) for name, watch in self._watches.items()}

    async def take_up(self, targets: Sequence[Target]) -> None:
        """Watches these targets from now on; what is checked in the same way goes on undisturbed."""
        self.board.retarget(targets, now=time.monotonic(), at=self.clock.now())
        wanted = {target.name: target for target in targets if target.enabled}
        for name, watch in list(self._watches.items()):
            target = wanted.get(name)
            if target is None or (target.kind, target.options) != (watch.target.kind, watch.target.options):
                await self._drop(name)
            else:
                watch.target = target
        for name, target in wanted.items():
            if name not in self._watches:
                self._watches[name] = _Watch(target, self.make_check(target, partial(self.wake, name)))
                self._schedule(self._watches[name], random.random() * _WAKE_SECONDS)  # noqa: S311

    def wake(self, name: str) -> None:
        """Looks at a target almost at once: something about it has changed."""
        watch = self._watches.get(name)
        if watch is None or watch.woken:
            return
        watch.woken = True
        if watch.looking is None:
            self._schedule(watch, _WAKE_SECONDS)

    async def __call__(self) -> None:
        """Calls stale what is stale, for ever."""
        while True:
            await asyncio.sleep(_AGE_SECONDS)
            changes = self.board.age(now=time.monotonic(), at=self.clock.now())
            if changes:
                self.publisher.publish(changes)

    async def close(self) -> None:
        """Stops looking and gives back every connection."""
        for name in list(self._watches):
            await self._drop(name)

    def _schedule(self, watch: _Watch, delay_seconds: float) -> None:
        if watch.timer is not None:
            watch.timer.cancel()
        watch.timer = asyncio.get_running_loop().call_later(delay_seconds, self._look, watch)

    def _look(self, watch: _Watch) -> None:
        watch.woken = False
        looking = self.run_check.begin(watch.target, watch.check, watch.target.cadence.timeout_seconds)
        watch.looking = looking
        looking.add_done_callback(lambda _: self._looked(watch))

    def _looked(self, watch: _Watch) -> None:
        watch.looking = None
        target = watch.target
        if self._watches.get(target.name) is not watch:
            return
        watch.looks += 1
        if watch.woken:
            delay_seconds = _WAKE_SECONDS
        else:
            delay_seconds = next_delay_seconds(
                target.cadence,
                self.board.memory(target.name),
                down_threshold=target.damping.failures_to_down,
                chance=random.random(),  # noqa: S311 spreads load, guards nothing
            )
        if watch.looks == 1 and delay_seconds >= target.cadence.interval_seconds / 2:
            # All start at once to know soon; from here on each keeps its own place in the period.
            delay_seconds = phase_seconds(target.name, target.cadence.interval_seconds)
        self._schedule(watch, delay_seconds)

    async def _drop(self, name: str) -> None:
        watch = self._watches.pop(name)
        if watch.timer is not None:
            watch.timer.cancel()
        await self.run_check.cancel(name)
        if watch.looking is not None:
            await asyncio.wait((watch.looking,))
        await watch.check.close()

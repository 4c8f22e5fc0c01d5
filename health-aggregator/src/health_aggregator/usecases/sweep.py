"""Looks at everything at once, under one deadline, once for any number of callers."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from health_aggregator.domain.ports import Check
from health_aggregator.domain.target import Target
from health_aggregator.usecases.run_check import RunCheck

# The first packets of a thousand checks are spread over about this long, so many at a time.
_SPREAD_SECONDS = 0.03
_AT_A_TIME = 20


@dataclass(frozen=True, slots=True)
class Sweep:
    """Checks every target; takes as long as the slowest, or as the budget."""

    run_check: RunCheck
    watched: Callable[[], Mapping[str, tuple[Target, Check]]]
    budget_seconds: float = 5.0
    _running: list[asyncio.Task[None]] = field(default_factory=list)

    async def __call__(self) -> None:
        """Returns when every target was looked at; joins a sweep that is under way."""
        if not self._running:
            task = asyncio.ensure_future(self._sweep())
            self._running.append(task)
            task.add_done_callback(lambda _: self._running.clear())
        await asyncio.shield(self._running[0])

    async def _sweep(self) -> None:
        deadline = time.monotonic() + self.budget_seconds
        watched = self.watched()
        board = self.run_check.board
        # Who was slowest last time begins first, and is waited for while the others are at work.
        order = sorted(watched, key=board.latency_seconds, reverse=True)
        looks: list[asyncio.Task[None]] = []
        for number, name in enumerate(order, start=1):
            looks.append(self.run_check.begin(*watched[name], deadline - time.monotonic()))
            if number % _AT_A_TIME == 0:
                mean_seconds = _SPREAD_SECONDS * _AT_A_TIME / len(order)
                await asyncio.sleep(2 * mean_seconds * random.random())  # noqa: S311 it guards nothing
        if looks:
            await asyncio.wait(looks, timeout=deadline - time.monotonic())

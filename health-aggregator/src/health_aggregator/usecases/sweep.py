"""Looks at everything at once, under one deadline, once for any number of callers."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from health_aggregator.domain.ports import Check
from health_aggregator.domain.target import Target
from health_aggregator.usecases.run_check import RunCheck

# The first packets of a thousand checks are spread over this long, and no longer.
_SPREAD_SECONDS = 0.03


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
        checks = [self._one(target, check, deadline) for target, check in self.watched().values()]
        await asyncio.gather(*checks)

    async def _one(self, target: Target, check: Check, deadline: float) -> None:
        await asyncio.sleep(random.random() * _SPREAD_SECONDS)  # noqa: S311 spreads load, guards nothing
        await self.run_check(target, check, deadline - time.monotonic())

"""Checks one target: never twice at once, never longer than it may take."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chassis.clock import Clock

from health_aggregator.domain.board import Board
from health_aggregator.domain.ports import ChangePublisher, Check, Ear, Watchdog
from health_aggregator.domain.state import CheckResult, Outcome, timed_out
from health_aggregator.domain.target import Target

# A check that ran over its time by more than this was not slow: this process slept.
_STALL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RunCheck:
    """Looks at a target once and writes what it saw on the board."""

    board: Board
    clock: Clock
    publisher: ChangePublisher
    ear: Ear
    watchdog: Watchdog
    monotonic: Callable[[], float] = time.monotonic
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def __call__(self, target: Target, check: Check, budget_seconds: float) -> None:
        """Runs the check, or waits for the one already under way.

        Args:
            target: What to look at.
            check: How.
            budget_seconds: What is left of the caller's time; the target's own timeout still holds.
        """
        # The check belongs to all who wait for it: one who leaves does not end it.
        await asyncio.wait((self.begin(target, check, budget_seconds),), timeout=budget_seconds)

    def begin(self, target: Target, check: Check, budget_seconds: float) -> asyncio.Task[None]:
        """Begins the check and returns it, or the one already under way; nobody but `cancel` may end it."""
        running = self._running.get(target.name)
        if running is None:
            running = asyncio.ensure_future(self._run(target, check, budget_seconds))
            self._running[target.name] = running
            running.add_done_callback(lambda _: self._running.pop(target.name, None))
        return running

    async def cancel(self, name: str) -> None:
        """Ends a check under way and waits until it is over."""
        running = self._running.get(name)
        if running is not None:
            running.cancel()
            await asyncio.wait((running,))

    async def _run(self, target: Target, check: Check, budget_seconds: float) -> None:
        timeout_seconds = max(0.001, min(target.cadence.timeout_seconds, budget_seconds))
        started = self.monotonic()
        result = await self._look(target, check, timeout_seconds, started)
        now = self.monotonic()
        if not result.success and now - started > timeout_seconds + _STALL_SECONDS:
            self.watchdog.discarded(target, result)
            return
        change = self.board.record(target.name, result, now=now, at=self.clock.now())
        self.ear.heard(target, result)
        if change is not None:
            self.publisher.publish([change])

    async def _look(
        self, target: Target, check: Check, timeout_seconds: float, started: float
    ) -> CheckResult:
        try:
            async with asyncio.timeout(timeout_seconds):
                return await check(timeout_seconds)
        except TimeoutError:
            elapsed = self.monotonic() - started
            return CheckResult(Outcome.DOWN, elapsed, timed_out(timeout_seconds), silent=True)
        except Exception as error:  # noqa: BLE001 one broken check must not blind the others
            self.watchdog.broken(target, error)
            return CheckResult(
                Outcome.DOWN, self.monotonic() - started, "the check itself failed", repr(error)
            )

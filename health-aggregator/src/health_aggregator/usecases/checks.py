"""Running checks: each target's at most once at a time, and all of them together on demand."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import field

from chassis.clock import Clock
from chassis.dataclass import dataclass

from health_aggregator.domain.board import Board
from health_aggregator.domain.check import Check, CheckResult, Outcome, timed_out
from health_aggregator.domain.observer import Observer
from health_aggregator.domain.target import Target

# A check that exceeds its timeout by more than this was not slow: this process was suspended.
_STALL_SECONDS = 0.5
# The first packets of a thousand checks are spread over about this long, in groups of this size.
_SPREAD_SECONDS = 0.03
_GROUP_SIZE = 20


@dataclass(frozen=True, slots=True)
class RunCheck:
    """Checks a target once and records the result on the board."""

    board: Board
    clock: Clock
    observer: Observer
    monotonic: Callable[[], float] = time.monotonic
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def __call__(self, target: Target, check: Check, budget_seconds: float) -> None:
        """Runs the check, or waits for the one that is running.

        Args:
            target: The target.
            check: Its check.
            budget_seconds: The caller's remaining time; the target's own timeout applies as well.
        """
        # All waiting callers share the check: one that leaves does not end it.
        await asyncio.wait((self.begin(target, check, budget_seconds),), timeout=budget_seconds)

    def begin(self, target: Target, check: Check, budget_seconds: float) -> asyncio.Task[None]:
        """Starts the check and returns it, or the one that is running; only `cancel` may end it."""
        running = self._running.get(target.name)
        if running is None:
            running = asyncio.ensure_future(self._run(target, check, budget_seconds))
            self._running[target.name] = running
            running.add_done_callback(lambda _: self._running.pop(target.name, None))
        return running

    async def cancel(self, name: str) -> None:
        """Cancels a running check and waits until it has ended."""
        running = self._running.get(name)
        if running is not None:
            running.cancel()
            await asyncio.wait((running,))

    async def _run(self, target: Target, check: Check, budget_seconds: float) -> None:
        timeout_seconds = max(0.001, min(target.cadence.timeout_seconds, budget_seconds))
        started = self.monotonic()
        result = await self._check(target, check, timeout_seconds, started)
        now = self.monotonic()
        if not result.success and now - started > timeout_seconds + _STALL_SECONDS:
            self.observer.discarded(target, result)
            return
        change = self.board.record(target.name, result, now=now, at=self.clock.now())
        self.observer.checked(target, result)
        if change is not None:
            self.observer.changed([change])

    async def _check(
        self, target: Target, check: Check, timeout_seconds: float, started: float
    ) -> CheckResult:
        try:
            async with asyncio.timeout(timeout_seconds):
                return await check(timeout_seconds)
        except TimeoutError:
            elapsed = self.monotonic() - started
            return CheckResult(Outcome.DOWN, elapsed, timed_out(timeout_seconds), silent=True)
        except Exception as error:  # noqa: BLE001 a faulty check must not stop the others
            self.observer.failed(target, error)
            return CheckResult(
                Outcome.DOWN, self.monotonic() - started, "the check itself failed", repr(error)
            )


@dataclass(frozen=True, slots=True)
class CheckAll:
    """Checks every target, once for any number of concurrent callers.

    Attributes:
        checks: Returns each target that is checked, and its check.
        budget_seconds: Maximum duration.
    """

    run_check: RunCheck
    checks: Callable[[], Mapping[str, tuple[Target, Check]]]
    budget_seconds: float = 5.0
    _running: list[asyncio.Task[None]] = field(default_factory=list)

    async def __call__(self) -> None:
        """Returns when every target has been checked; joins a run in progress."""
        if not self._running:
            task = asyncio.ensure_future(self._check_all())
            self._running.append(task)
            task.add_done_callback(lambda _: self._running.clear())
        await asyncio.shield(self._running[0])

    async def _check_all(self) -> None:
        deadline = time.monotonic() + self.budget_seconds
        checks = self.checks()
        # The slowest of the last time begins first, and runs while the others do.
        order = sorted(checks, key=self.run_check.board.latency_seconds, reverse=True)
        running: list[asyncio.Task[None]] = []
        for number, name in enumerate(order, start=1):
            running.append(self.run_check.begin(*checks[name], deadline - time.monotonic()))
            if number % _GROUP_SIZE == 0:
                mean_seconds = _SPREAD_SECONDS * _GROUP_SIZE / len(order)
                await asyncio.sleep(2 * mean_seconds * random.random())  # noqa: S311 not for security
        if running:
            await asyncio.wait(running, timeout=deadline - time.monotonic())

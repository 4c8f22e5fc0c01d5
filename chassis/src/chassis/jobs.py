"""Jobs: use cases that run at intervals, when notified, or for as long as they find something to do.

A job that fails runs again, also by a fault of ours: the service goes on. A failure is logged once for each
reason, and so is its recovery.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from chassis import ticks
from chassis.backoff import Backoff
from chassis.errors import ServiceError
from chassis.lifecycle import Lifecycle

log = structlog.get_logger()

_SPREAD = 0.2
"""Share by which intervals differ, so that instances do not run in step."""

_RETRY_SECONDS = 1.0
_RETRY_SECONDS_MAX = 60.0


def begin(
    lifecycle: Lifecycle,
    name: str,
    seconds: float,
    job: Callable[[], Awaitable[int]],
    *,
    at_once: bool = False,
) -> None:
    """Begins to run a job at intervals, as `every` does, until the program stops."""
    lifecycle.begin(name, every(seconds, name, job, at_once=at_once))


async def every(
    seconds: float, name: str, job: Callable[[], Awaitable[int]], *, at_once: bool = False
) -> None:
    """Runs a job at intervals until cancelled; a failed run is retried at the next one.

    Args:
        seconds: The interval.
        name: What logs call the job.
        job: Returns how much it did.
        at_once: Whether it runs at the start too, rather than after the first interval.
    """
    failures = _Failures(name)
    if at_once:
        await _run(job, failures)
    while True:
        await asyncio.sleep(ticks.about(seconds * random.uniform(1 - _SPREAD, 1 + _SPREAD)))  # noqa: S311
        await _run(job, failures)


async def when_notified(
    wait: Callable[[float], Awaitable[None]], seconds: float, name: str, job: Callable[[], Awaitable[int]]
) -> None:
    """Runs a job on each notification, and after that time in any case, until cancelled."""
    failures = _Failures(name)
    while True:
        try:
            await job()
            failures.over()
        except Exception as error:  # noqa: BLE001 - it is reported
            failures.report(error)
        await wait(ticks.about(seconds))


async def repeat(
    name: str,
    job: Callable[[], Awaitable[bool | None]],
    *,
    pause_seconds: float,
    pausing: asyncio.Lock | None = None,
) -> None:
    """Runs a job now and again and again, until cancelled.

    Args:
        name: What logs call the job.
        job: Returns whether it found something to do, and so may find more.
        pause_seconds: The wait after a run that found nothing, at most: all loops of this pause look again
            together (`ticks.until_next`). After a failure it is short at first.
        pausing: Shared by those that run the same job beside each other: while none finds anything, one
            after another waits and looks.
    """
    pausing = pausing or asyncio.Lock()
    backoff = Backoff(first_seconds=min(_RETRY_SECONDS, pause_seconds), limit_seconds=_RETRY_SECONDS_MAX)
    failures = _Failures(name)
    while True:
        try:
            found = await job()
        except Exception as error:  # noqa: BLE001 - it is reported
            failures.report(error)
            await backoff.pause()
            continue
        failures.over()
        backoff.reset()
        if not found:
            async with pausing:
                await asyncio.sleep(ticks.until_next(pause_seconds))


async def _run(job: Callable[[], Awaitable[int]], failures: "_Failures") -> None:
    try:
        done = await job()
    except Exception as error:  # noqa: BLE001 - it is reported
        failures.report(error)
        return
    failures.over()
    if done:
        log.info("job done", job=failures.name, count=done)


class _Failures:
    """Logs when a job begins to fail, when it fails for another reason, and when it works again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._reason: str | None = None

    def report(self, error: Exception) -> None:
        if isinstance(error, ServiceError):
            write, reason, cause = log.warning, error.reason, error.__cause__
        else:
            write, reason, cause = log.error, type(error).__name__, error
        if reason != self._reason:
            write("job failed; retrying", job=self.name, reason=reason, exc_info=cause)
        self._reason = reason

    def over(self) -> None:
        if self._reason is not None:
            log.info("job recovered", job=self.name)
        self._reason = None

"""Jobs: use cases that run at intervals, or when notified."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from chassis.errors import ServiceError

log = structlog.get_logger()

_SPREAD = 0.2
"""Share by which intervals differ, so that instances do not run in step."""


async def every(seconds: float, name: str, job: Callable[[], Awaitable[int]]) -> None:
    """Runs a job at intervals until cancelled; a failed run is retried at the next one."""
    while True:
        await asyncio.sleep(seconds * random.uniform(1 - _SPREAD, 1 + _SPREAD))  # noqa: S311 - jitter
        try:
            done = await job()
        except ServiceError as error:
            log.warning("job failed, will retry", job=name, reason=error.reason, exc_info=error.__cause__)
            continue
        if done:
            log.info("job done", job=name, count=done)


async def when_notified(
    wait: Callable[[float], Awaitable[None]], seconds: float, name: str, job: Callable[[], Awaitable[int]]
) -> None:
    """Runs a job on each notification, and after that time in any case, until cancelled."""
    failing = False
    while True:
        try:
            await job()
            failing = False
        except ServiceError as error:
            if not failing:
                log.warning("job failed, will retry", job=name, reason=error.reason)
            failing = True
        await wait(seconds)

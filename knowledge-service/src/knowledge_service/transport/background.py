"""What runs beside the calls: indexing, following sources, and erasing what was missed."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from chassis.backoff import Backoff
from chassis.errors import ServiceError

from knowledge_service.usecases.erasure import EraseMissed

log = structlog.get_logger()

POLL_SECONDS = 2.0
"""How often is looked for what waits."""

ERASE_MISSED_EVERY_SECONDS = 24 * 3600.0


async def repeat(name: str, job: Callable[[], Awaitable[bool]]) -> None:
    """Runs a job again and again, at once if it found something to do, until cancelled."""
    backoff, failing = Backoff(first_seconds=POLL_SECONDS, limit_seconds=60.0), False
    while True:
        try:
            found = await job()
        except ServiceError as error:
            if not failing:
                log.warning("background work stalled, will retry", work=name, reason=error.reason)
            failing = True
            await backoff.pause()
            continue
        if failing:
            log.info("background work recovered", work=name)
        failing = False
        backoff.reset()
        if not found:
            await asyncio.sleep(POLL_SECONDS)


async def erase_missed(erase: EraseMissed) -> None:
    """Looks for documents of erased users at the start and once a day, until cancelled."""
    backoff = Backoff(first_seconds=1.0, limit_seconds=60.0)
    while True:
        try:
            await erase()
        except ServiceError:
            await backoff.pause()
            continue
        backoff.reset()
        await asyncio.sleep(ERASE_MISSED_EVERY_SECONDS)

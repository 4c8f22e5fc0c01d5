"""What runs beside the calls: indexing what waits, and erasing what was missed."""

import asyncio

import structlog
from chassis.backoff import Backoff
from chassis.errors import ServiceError

from knowledge_service.usecases.erasure import EraseMissed
from knowledge_service.usecases.indexing import IndexWaiting

log = structlog.get_logger()

POLL_SECONDS = 2.0
"""How often is looked for documents that wait."""

ERASE_MISSED_EVERY_SECONDS = 24 * 3600.0


async def index_waiting(index: IndexWaiting) -> None:
    """Indexes documents one after another, until cancelled."""
    backoff, failing = Backoff(first_seconds=POLL_SECONDS, limit_seconds=60.0), False
    while True:
        try:
            found = await index()
        except ServiceError as error:
            if not failing:
                log.warning("background indexing stalled, will retry", reason=error.reason)
            failing = True
            await backoff.pause()
            continue
        if failing:
            log.info("background indexing recovered")
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

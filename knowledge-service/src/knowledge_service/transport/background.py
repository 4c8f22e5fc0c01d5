"""What runs beside the calls: erasing what was missed."""

import asyncio

from chassis.backoff import Backoff
from chassis.errors import ServiceError

from knowledge_service.usecases.erasure import EraseMissed

ERASE_MISSED_EVERY_SECONDS = 24 * 3600.0


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

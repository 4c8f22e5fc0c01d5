"""Requests for heartbeats, from the instance that receives them to the relay that sends heartbeats."""

import asyncio

import structlog

from chassis.errors import ServiceError
from chassis.events.outbox import Outbox
from chassis.postgres.notifications import notify
from chassis.postgres.pool import Pool

log = structlog.get_logger()

PASSED_ON_SECONDS = 5.0
"""Between two requests that an instance passes on: much less than one holds (`chassis.events.heartbeat`)."""


class HeartbeatRequests:
    """Passes requests on by NOTIFY, since another instance's relay may lead; never on a caller's time."""

    def __init__(self, outbox: Outbox, pool: Pool) -> None:
        self._channel = outbox.heartbeat_channel
        self._pool = pool
        self._noted = asyncio.Event()

    def note(self) -> None:
        """Takes a request: the first one is passed on at once, those that follow soon together."""
        self._noted.set()

    async def run(self) -> None:
        """Passes requests on until cancelled. One that fails is dropped; others follow while it matters."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            try:
                await notify(self._pool, self._channel)
            except ServiceError as error:
                log.debug("request for heartbeats not passed on", reason=error.reason)
            await asyncio.sleep(PASSED_ON_SECONDS)

"""The bell that rings when a mail was queued, here or at another instance."""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
from chassis.backoff import Backoff
from chassis.logs import get_logger
from chassis.postgres.failures import BUSY, LOST

from auth_service.adapters.postgres.mails import CHANNEL

log = get_logger()


class MailBell:
    """Listens on a connection of its own, which the pool's must not do.

    While Postgres is away nothing rings; whoever waits looks by itself from time to time.
    """

    def __init__(self, postgres_url: str, application_name: str) -> None:
        self._postgres_url = postgres_url
        self._application_name = application_name
        self._rung = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Returns when the bell has rung since the last time, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()

    async def run(self) -> None:
        """Listens until cancelled."""
        backoff = Backoff(limit_seconds=2.0)
        while True:
            try:
                await self._listen()
                backoff.reset()
            except (*LOST, *BUSY) as error:
                log.info("mail bell is held up", error=type(error).__name__)
            await backoff.pause()

    async def _listen(self) -> None:
        lost = asyncio.Event()
        connection: Any = await asyncpg.connect(
            self._postgres_url,
            timeout=2.0,
            command_timeout=5.0,
            server_settings={"application_name": self._application_name},
        )
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._ring)
            self._ring()
            await lost.wait()
        finally:
            with suppress(*LOST):
                await connection.close(timeout=1.0)

    def _ring(self, *_: object) -> None:
        self._rung.set()

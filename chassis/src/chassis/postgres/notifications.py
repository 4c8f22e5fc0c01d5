"""Notifications of Postgres, which reach every instance of a service that listens."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from chassis.postgres.failures import LOST
from chassis.postgres.pool import Pool


async def notify(pool: Pool, channel: str) -> None:
    """Sends a notification to those who listen on the channel.

    Raises:
        Unavailable: Postgres cannot be reached.
    """
    await pool.execute("SELECT pg_notify($1, '')", channel)


@asynccontextmanager
async def open_listening(
    url: str, *, application_name: str, channels: Mapping[str, Callable[[], None]], lost: Callable[[], None]
) -> AsyncIterator[Any]:
    """Opens a connection of the driver that listens, and closes it at the end of the block.

    It may hold session locks too; connections of the pool must do neither.

    Args:
        url: Where Postgres is.
        application_name: Shown by pg_stat_activity.
        channels: What to call at each notification, by channel, and once at the beginning: some may have
            been missed.
        lost: Called when the connection ends.

    Raises:
        OSError: there is no connection in time; or what else `LOST` has.
    """
    connection = await asyncpg.connect(
        url,
        timeout=2.0,
        command_timeout=10.0,
        server_settings={"application_name": application_name, "statement_timeout": "5000"},
    )
    try:
        for channel, call in channels.items():
            await connection.add_listener(channel, lambda *_, call=call: call())
            call()
        connection.add_termination_listener(lambda _: lost())
        yield connection
    finally:
        with suppress(*LOST):
            await connection.close(timeout=1.0)

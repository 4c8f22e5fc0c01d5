"""Notifications of Postgres, which reach every instance of a service that listens."""

from chassis.postgres.pool import Pool


async def notify(pool: Pool, channel: str) -> None:
    """Sends a notification to those who listen on the channel.

    Raises:
        Unavailable: Postgres cannot be reached.
    """
    await pool.execute("SELECT pg_notify($1, '')", channel)

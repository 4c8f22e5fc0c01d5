"""Which master keys the processes of a service write with: each records its own in its table `master_keys`.

While a key is replaced, processes with the new one and with the old one run side by side, and each reads
what the other writes. Only those with the newest key encrypt again what is stored; otherwise both would
encrypt each other's rows, without end.
"""

from datetime import timedelta

from chassis.postgres.connection import Connection
from chassis.postgres.pool import Pool

RECORDED_EVERY = timedelta(minutes=1)
"""How often a process records the master key that it writes with."""

IN_USE = 2 * RECORDED_EVERY
"""For how long after the last record a process may have written with a key."""


async def record_use(pool: Pool, schema: str, key_id: str) -> int:
    """Records that this process writes with a master key.

    Returns:
        0, since there is nothing for a log to count.

    Raises:
        Unavailable: Postgres cannot be reached.
    """
    await pool.execute(
        f"""
        INSERT INTO {schema}.master_keys (key_id) VALUES ($1)
            ON CONFLICT (key_id) DO UPDATE SET last_used_at = now()
        """,  # noqa: S608 of a constant
        key_id,
    )
    return 0


async def is_newest_in_use(connection: Connection, schema: str, key_id: str) -> bool:
    """Whether no key is in use that was first used later; after a rollback, the old key is the newest again.

    Raises:
        Unavailable: Postgres cannot be reached.
    """
    row = await connection.fetchrow(
        f"""
        SELECT FROM {schema}.master_keys AS other
         WHERE other.key_id <> $1 AND other.last_used_at > now() - $2::interval
           AND other.first_used_at > (SELECT first_used_at FROM {schema}.master_keys WHERE key_id = $1)
        """,  # noqa: S608 of a constant
        key_id,
        IN_USE,
    )
    return row is None

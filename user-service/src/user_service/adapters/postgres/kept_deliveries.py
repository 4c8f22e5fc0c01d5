"""How many webhook messages are kept, and deleting old ones: `users.webhook_deliveries`."""

from datetime import timedelta

from chassis.postgres.connection import Connection, rows_affected
from chassis.postgres.pool import Pool
from prometheus_client import Gauge

_PENDING = Gauge("webhooks_pending", "Webhook messages that are to be delivered, to active endpoints.")
_PENDING_AGE = Gauge("webhooks_oldest_pending_seconds", "Age of the oldest webhook message to be delivered.")
_DEAD = Gauge("webhooks_dead", "Webhook messages that were given up and are kept to be resent.")

BATCH = 1_000
"""Rows that a statement deletes, so that each ends soon."""

# The states are written out: a statement with a parameter in their place would be served by no partial index.
# What another instance is deleting is skipped, so that the two do not wait for each other.
DELIVERED = """
DELETE FROM users.webhook_deliveries WHERE id = ANY(ARRAY(
    SELECT id FROM users.webhook_deliveries WHERE state = 'delivered' AND due_at < now() - $1::interval
     ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED))
"""
DEAD = """
DELETE FROM users.webhook_deliveries WHERE id = ANY(ARRAY(
    SELECT id FROM users.webhook_deliveries WHERE state = 'dead' AND due_at < now() - $1::interval
     ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED))
"""
TO_ENDPOINTS_OFF = """
DELETE FROM users.webhook_deliveries WHERE id = ANY(ARRAY(
    SELECT waiting.id
      FROM users.webhooks AS hook JOIN users.webhook_deliveries AS waiting ON waiting.webhook_id = hook.id
     WHERE NOT hook.is_active AND waiting.state = 'pending' AND waiting.occurred_at < now() - $1::interval
     LIMIT $2 FOR UPDATE OF waiting SKIP LOCKED))
"""


async def purge(connection: Connection, delivered: timedelta, dead: timedelta) -> int:
    """Deletes deliveries that ended longer ago than that, and old ones to endpoints that are off.

    Args:
        connection: Outside of a transaction, so that each batch is committed.
        delivered: How long ago they were delivered.
        dead: How long ago they were given up, or queued for an endpoint that is off.

    Returns:
        How many.
    """
    deleted = 0
    for old, age in ((DELIVERED, delivered), (DEAD, dead), (TO_ENDPOINTS_OFF, dead)):
        batch = BATCH
        while batch == BATCH:
            batch = rows_affected(await connection.execute(old, age, BATCH))
            deleted += batch
    return deleted


async def measure_deliveries(pool: Pool) -> int:
    """Sets the gauges, which are the same at every instance: aggregate them by max, not sum.

    Returns:
        0, since there is nothing for a log to count.

    Raises:
        Unavailable: Postgres cannot be reached.
    """
    row = await pool.fetchrow(
        """
        SELECT (SELECT count(*) FROM users.webhook_deliveries WHERE state = 'dead') AS dead,
               count(*) AS pending, extract(epoch FROM now() - min(occurred_at))::float8 AS age
          FROM users.webhook_deliveries AS waiting JOIN users.webhooks AS hook ON hook.id = waiting.webhook_id
         WHERE state = 'pending' AND is_active
        """
    )
    if row is not None:
        _PENDING.set(row["pending"])
        _DEAD.set(row["dead"])
        _PENDING_AGE.set(row["age"] or 0.0)
    return 0

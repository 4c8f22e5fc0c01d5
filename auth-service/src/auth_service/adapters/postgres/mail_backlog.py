"""How many mails wait, as metrics. Every instance tells the same: take the greatest, not the sum."""

from chassis.postgres.pool import Database
from prometheus_client import Gauge

_PENDING = Gauge("mails_pending", "Mails in the queue, those put off among them.")
_PENDING_AGE = Gauge("mails_oldest_pending_seconds", "Age of the oldest mail in the queue.")


async def measure(pool: Database) -> int:
    """Looks at the queue; returns 0, for there is nothing done that a log should tell.

    Raises:
        Unavailable: Postgres is away.
    """
    row = await pool.fetchrow(
        "SELECT count(*) AS pending, extract(epoch FROM now() - min(queued_at))::float8 AS age"
        " FROM auth.mails"
    )
    if row is not None:
        _PENDING.set(row["pending"])
        _PENDING_AGE.set(row["age"] or 0.0)
    return 0

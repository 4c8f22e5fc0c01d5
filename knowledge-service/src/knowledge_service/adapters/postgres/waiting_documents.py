"""Measures how many documents wait to be indexed or embedded."""

from chassis.postgres.pool import Pool
from prometheus_client import Gauge

_WAITING = Gauge(
    "knowledge_documents_waiting",
    "Documents that cannot be found yet (`index`), or not by their meaning yet (`vectors`).",
    ["awaited"],
)
_UNINDEXED_AGE = Gauge(
    "knowledge_documents_oldest_unindexed_seconds", "Age of the oldest document that cannot be found yet."
)


async def measure_waiting(pool: Pool, model: str) -> int:
    """Measures.

    Args:
        pool: The service's pool.
        model: The model to embed with; empty for none.

    Returns:
        0, since there is nothing for a log to count.

    Raises:
        Unavailable: Postgres cannot be reached.
    """
    row = await pool.fetchrow(
        """
        SELECT count(*) FILTER (WHERE indexed_version < version) AS unindexed,
               count(*) FILTER (WHERE indexed_version >= version) AS unembedded,
               extract(epoch FROM now() - min(updated_at) FILTER (WHERE indexed_version < version)) AS age
        FROM knowledge.documents
        WHERE indexed_version < version OR embedded_with < $1 OR embedded_with > $1
        """,
        model,
    )
    if row is not None:
        _WAITING.labels("index").set(row["unindexed"])
        _WAITING.labels("vectors").set(row["unembedded"])
        _UNINDEXED_AGE.set(float(row["age"] or 0))
    return 0

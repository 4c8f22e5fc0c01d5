"""Measures which documents wait to be indexed or embedded, and which sources fail."""

from chassis.postgres.pool import Pool
from prometheus_client import Gauge

from knowledge_service.domain.source import Problem

_WAITING = Gauge(
    "knowledge_documents_waiting",
    "Documents that cannot be found yet (`index`), or not by their meaning yet (`vectors`).",
    ["awaited"],
)
_UNINDEXED_AGE = Gauge(
    "knowledge_documents_oldest_unindexed_seconds", "Age of the oldest document that cannot be found yet."
)
_NO_PROBLEM = "none"
_SOURCES = Gauge(
    "knowledge_sources", "Sources by the problem of the last attempt to follow them.", ["problem"]
)


async def measure(pool: Pool, model: str) -> int:
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
    rows = await pool.fetch("SELECT problem, count(*) FROM knowledge.sources GROUP BY problem")
    counts = {row["problem"] or _NO_PROBLEM: row["count"] for row in rows}
    for problem in (_NO_PROBLEM, *Problem):
        _SOURCES.labels(problem).set(counts.get(problem, 0))
    return 0

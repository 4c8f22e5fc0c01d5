"""The history in Postgres, schema `health`."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from chassis.postgres.pool import Pool

from health_aggregator.domain.history import Observation, Period, Resolution
from health_aggregator.domain.state import Change, State

OBSERVATIONS_KEPT = timedelta(days=1)
KEPT = timedelta(days=90)
LEASE_SECONDS = 20.0

_OBSERVED = tuple(
    map(attrgetter, ("component", "at", "success", "available", "covers_seconds", "latency_seconds"))
)
_CHANGED = tuple(map(attrgetter, ("name", "at", "state.value", "previous.value", "error", "caused_by")))

# One statement is one transaction and one round trip, every few seconds for as long as the process runs.
# Only Postgres' clock is used, so that the aggregators' clocks may differ. The writer's row holds the number
# of its last batch too: one that was committed, but whose answer was lost, is not added again.
_APPEND = """
WITH lead AS (
    INSERT INTO health.writer AS writer (holder, held_until)
    VALUES ($1::text || '#' || $15::text, clock_timestamp() + make_interval(secs => $2))
    ON CONFLICT (only_row) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
    WHERE writer.holder <> excluded.holder
      AND (split_part(writer.holder, '#', 1) = $1::text OR writer.held_until < clock_timestamp())
    RETURNING holder
), observed AS (
    INSERT INTO health.observations
        (component, observed_at, success, available, covers_seconds, latency_seconds)
    SELECT * FROM unnest(
        $3::text[], $4::timestamptz[], $5::boolean[], $6::boolean[], $7::float8[], $8::float8[]
    ) WHERE EXISTS (SELECT FROM lead)
), summed AS (
    INSERT INTO health.periods AS known
        (resolution, component, starts_at, checks, failures, covered_seconds, available_seconds,
         latency_seconds_sum, latency_seconds_max)
    SELECT resolution, component, date_trunc(resolution, observed_at, 'UTC') AS starts_at, count(*),
           count(*) FILTER (WHERE NOT success), sum(covers_seconds),
           coalesce(sum(covers_seconds) FILTER (WHERE available), 0),
           sum(latency_seconds), max(latency_seconds)
      FROM unnest(
          $3::text[], $4::timestamptz[], $5::boolean[], $6::boolean[], $7::float8[], $8::float8[]
      ) AS observation (component, observed_at, success, available, covers_seconds, latency_seconds)
      CROSS JOIN unnest(ARRAY['minute', 'hour', 'day']) AS resolution
     WHERE EXISTS (SELECT FROM lead)
     GROUP BY resolution, component, starts_at
    ON CONFLICT (resolution, component, starts_at) DO UPDATE SET
        checks = known.checks + excluded.checks,
        failures = known.failures + excluded.failures,
        covered_seconds = known.covered_seconds + excluded.covered_seconds,
        available_seconds = known.available_seconds + excluded.available_seconds,
        latency_seconds_sum = known.latency_seconds_sum + excluded.latency_seconds_sum,
        latency_seconds_max = greatest(known.latency_seconds_max, excluded.latency_seconds_max)
), changed AS (
    INSERT INTO health.changes (component, changed_at, state, previous, error, caused_by)
    SELECT component, changed_at, state, previous, error, caused_by FROM unnest(
        $9::text[], $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[]
    ) WITH ORDINALITY AS change (component, changed_at, state, previous, error, caused_by, place)
    WHERE EXISTS (SELECT FROM lead) ORDER BY place
)
SELECT EXISTS (SELECT FROM lead)
    OR EXISTS (SELECT FROM health.writer WHERE holder = $1::text || '#' || $15::text)
"""


class PostgresHistory:
    """`HistoryStore` shared by all aggregators, of which one writes at a time.

    Args:
        database: A pool with the role `health_aggregator`; Postgres may be down.
        holder: Name of this process in the writer's lease, without `#`; no other process ever has it.
    """

    def __init__(self, database: Pool, holder: str) -> None:
        self._database = database
        self._holder = holder
        self._batch = 1

    async def append(self, observations: Sequence[Observation], changes: Sequence[Change]) -> bool:
        """Adds observations and changes; adds nothing when another aggregator is the writer."""
        leading: bool = await self._database.fetchval(
            _APPEND,
            self._holder,
            LEASE_SECONDS,
            *_columns(observations, _OBSERVED),
            *_columns(changes, _CHANGED),
            str(self._batch),
        )
        self._batch += 1
        return leading

    async def prune(self, now: datetime) -> None:
        """Deletes single observations after a day and everything after 90 days."""
        async with self._database.acquire() as connection:
            await connection.execute(
                "DELETE FROM health.observations WHERE observed_at < $1", now - OBSERVATIONS_KEPT
            )
            await connection.execute("DELETE FROM health.periods WHERE starts_at < $1", now - KEPT)
            await connection.execute("DELETE FROM health.changes WHERE changed_at < $1", now - KEPT)

    async def periods(self, resolution: Resolution, since: datetime) -> list[Period]:
        """Returns the sums of every component, oldest first."""
        rows = await self._database.fetch(
            """
            SELECT component, starts_at, checks, failures, covered_seconds, available_seconds,
                   latency_seconds_sum, latency_seconds_max
            FROM health.periods WHERE resolution = $1 AND starts_at >= $2 ORDER BY starts_at, component
            """,
            resolution.value,
            since,
        )
        return [Period(**dict(row)) for row in rows]

    async def changes(self, since: datetime, limit: int) -> list[Change]:
        """Returns the newest changes, oldest first."""
        rows = await self._database.fetch(
            """
            SELECT position, component, changed_at, state, previous, error, caused_by
            FROM health.changes WHERE changed_at >= $1 ORDER BY position DESC LIMIT $2
            """,
            since,
            limit,
        )
        return [
            Change(
                sequence=row["position"],
                name=row["component"],
                state=State(row["state"]),
                previous=State(row["previous"]),
                at=row["changed_at"],
                error=row["error"],
                caused_by=row["caused_by"],
            )
            for row in reversed(rows)
        ]


def _columns(rows: Sequence[object], columns: Sequence[Callable[[Any], object]]) -> list[list[object]]:
    return [[value_of(row) for row in rows] for value_of in columns]

"""The history in Postgres, schema `health`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from chassis.postgres.connection import Connection
from chassis.postgres.pool import Pool

from health_aggregator.domain.history import Observation, Period, Resolution, sum_up
from health_aggregator.domain.state import Change, State

OBSERVATIONS_KEPT = timedelta(days=1)
KEPT = timedelta(days=90)
LEASE_SECONDS = 20.0


class PostgresHistory:
    """`HistoryStore` shared by all aggregators, of which one writes at a time.

    Args:
        database: A pool with the role `health_aggregator`; Postgres may be down.
        holder: Name of this process in the writer's lease.
    """

    def __init__(self, database: Pool, holder: str) -> None:
        self._database = database
        self._holder = holder

    async def append(self, observations: Sequence[Observation], changes: Sequence[Change]) -> bool:
        """Adds observations and changes; adds nothing when another aggregator is the writer."""
        async with self._database.transaction() as transaction:
            if not await self._lead(transaction):
                return False
            await _insert_observations(transaction, observations)
            await _add_to_periods(transaction, sum_up(observations))
            await _insert_changes(transaction, changes)
        return True

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

    async def _lead(self, connection: Connection) -> bool:
        # Only Postgres' clock is used, so that the aggregators' clocks may differ.
        holder = await connection.fetchval(
            """
            INSERT INTO health.writer AS writer (holder, held_until)
            VALUES ($1, clock_timestamp() + make_interval(secs => $2))
            ON CONFLICT (only_row) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
            WHERE writer.holder = excluded.holder OR writer.held_until < clock_timestamp()
            RETURNING holder
            """,
            self._holder,
            LEASE_SECONDS,
        )
        return holder is not None


async def _insert_observations(connection: Connection, observations: Sequence[Observation]) -> None:
    if not observations:
        return
    await connection.execute(
        """
        INSERT INTO health.observations
            (component, observed_at, success, available, covers_seconds, latency_seconds)
        SELECT * FROM unnest(
            $1::text[], $2::timestamptz[], $3::boolean[], $4::boolean[], $5::float8[], $6::float8[]
        )
        """,
        [each.component for each in observations],
        [each.at for each in observations],
        [each.success for each in observations],
        [each.available for each in observations],
        [each.covers_seconds for each in observations],
        [each.latency_seconds for each in observations],
    )


async def _add_to_periods(connection: Connection, sums: Sequence[tuple[Resolution, Period]]) -> None:
    await connection.executemany(
        """
        INSERT INTO health.periods AS known
            (resolution, component, starts_at, checks, failures, covered_seconds, available_seconds,
             latency_seconds_sum, latency_seconds_max)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (resolution, component, starts_at) DO UPDATE SET
            checks = known.checks + excluded.checks,
            failures = known.failures + excluded.failures,
            covered_seconds = known.covered_seconds + excluded.covered_seconds,
            available_seconds = known.available_seconds + excluded.available_seconds,
            latency_seconds_sum = known.latency_seconds_sum + excluded.latency_seconds_sum,
            latency_seconds_max = greatest(known.latency_seconds_max, excluded.latency_seconds_max)
        """,
        [
            (
                resolution.value,
                period.component,
                period.starts_at,
                period.checks,
                period.failures,
                period.covered_seconds,
                period.available_seconds,
                period.latency_seconds_sum,
                period.latency_seconds_max,
            )
            for resolution, period in sums
        ],
    )


async def _insert_changes(connection: Connection, changes: Sequence[Change]) -> None:
    await connection.executemany(
        """
        INSERT INTO health.changes (component, changed_at, state, previous, error, caused_by)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        [
            (each.name, each.at, each.state.value, each.previous.value, each.error, each.caused_by)
            for each in changes
        ],
    )

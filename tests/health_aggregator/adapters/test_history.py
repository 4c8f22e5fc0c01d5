"""The contract of history stores: in memory and in Postgres."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from chassis.errors import Unavailable
from chassis.postgres.pool import Pool, open_pool
from devstack.postgres import Postgres
from health_aggregator.adapters.memory_history import MemoryHistory
from health_aggregator.adapters.postgres.history import PostgresHistory
from health_aggregator.domain.history import HistoryStore, Observation, Resolution
from health_aggregator.domain.state import Change, State

NOON = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)


@pytest.fixture(name="store", params=["memory", "postgres"])
async def _store(request: pytest.FixtureRequest, health_pool: Pool) -> HistoryStore:
    return MemoryHistory() if request.param == "memory" else PostgresHistory(health_pool, "test")


def observed(seconds: float, *, success: bool = True, available: bool = True) -> Observation:
    """Returns an observation of `postgres` some seconds after half past noon."""
    return Observation("postgres", NOON + timedelta(seconds=seconds), success, available, 1.0, 0.002)


def changed(seconds: float, state: State, previous: State) -> Change:
    """Returns a change of `postgres`."""
    return Change(
        1, "postgres", state, previous, NOON + timedelta(seconds=seconds), "refuses connections", "host"
    )


async def test_sums_up_by_minute_hour_and_day(store: HistoryStore) -> None:
    """Each observation counts once in each of the three sums, also across batches."""
    assert await store.append([observed(0), observed(1, success=False)], [])
    assert await store.append([observed(2, success=False, available=False), observed(40)], [])

    minutes = await store.periods(Resolution.MINUTE, NOON - timedelta(hours=1))
    hours = await store.periods(Resolution.HOUR, NOON - timedelta(hours=1))
    days = await store.periods(Resolution.DAY, NOON - timedelta(days=1))

    assert [(period.checks, period.failures) for period in minutes] == [(3, 2), (1, 0)]
    assert [period.checks for period in hours] == [4]
    assert [datetime(2026, 11, 23, tzinfo=UTC)] == [period.starts_at for period in days]
    assert [period.availability for period in days] == [0.75]
    assert [pytest.approx(0.002)] == [period.latency_seconds_max for period in days]


async def test_returns_the_newest_changes_oldest_first(store: HistoryStore) -> None:
    """A limit cuts off the oldest."""
    changes = [
        changed(0, State.DOWN, State.UP),
        changed(5, State.RECOVERING, State.DOWN),
        changed(6, State.UP, State.RECOVERING),
    ]
    await store.append([], changes)

    found = await store.changes(NOON - timedelta(days=1), 2)

    assert [change.state for change in found] == [State.RECOVERING, State.UP]
    assert (found[0].error, found[0].caused_by) == ("refuses connections", "host")
    assert await store.changes(NOON + timedelta(minutes=1), 10) == []


async def test_deletes_after_90_days(store: HistoryStore) -> None:
    """Sums by day are kept for 90 days."""
    await store.append([observed(0)], [])

    await store.prune(NOON + timedelta(days=89))
    kept = await store.periods(Resolution.DAY, NOON - timedelta(days=1))
    await store.prune(NOON + timedelta(days=92))
    left = await store.periods(Resolution.DAY, NOON - timedelta(days=1))

    assert (len(kept), len(left)) == (1, 0)


async def test_one_aggregator_writes(health_pool: Pool) -> None:
    """Of two, the first one writes; the other adds nothing, so nothing is counted twice."""
    first, second = PostgresHistory(health_pool, "first"), PostgresHistory(health_pool, "second")

    assert await first.append([observed(0)], [])
    assert not await second.append([observed(0)], [])
    assert await first.append([observed(1)], [])

    days = await second.periods(Resolution.DAY, NOON - timedelta(days=1))
    assert [period.checks for period in days] == [2]
    assert await health_pool.fetchval("SELECT count(*) FROM health.observations") == 2

    await first.prune(NOON + timedelta(days=1, minutes=1))
    assert await health_pool.fetchval("SELECT count(*) FROM health.observations") == 0


async def test_a_batch_whose_answer_was_lost_is_added_once(health_pool: Pool) -> None:
    """It is appended again, also after the writer's lease has run out."""

    class Losing:
        lost = 0

        async def fetchval(self, query: str, *arguments: object) -> object:
            value = await health_pool.fetchval(query, *arguments)
            if self.lost < 2:
                self.lost += 1
                raise Unavailable
            return value

    store = PostgresHistory(cast("Pool", Losing()), "test")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await store.append([observed(0)], [changed(0, State.DOWN, State.UP)])
        await health_pool.fetchval("UPDATE health.writer SET held_until = now() - interval '1 s'")
    assert await store.append([observed(0)], [changed(0, State.DOWN, State.UP)])
    assert await store.append([observed(1)], [])

    counts = "SELECT (SELECT count(*) FROM health.observations), (SELECT count(*) FROM health.changes)"
    assert tuple((await health_pool.fetch(counts))[0]) == (2, 1)


async def test_unavailable_when_postgres_is_down(own_postgres: Postgres) -> None:
    """The pool opens without Postgres; its use fails."""
    url = own_postgres.url()
    own_postgres.stop()
    async with open_pool(
        url, application_name="test", min_size=0, max_size=1, acquire_timeout_seconds=0.5
    ) as pool:
        with pytest.raises(Unavailable):
            await PostgresHistory(pool, "test").append([observed(0)], [])

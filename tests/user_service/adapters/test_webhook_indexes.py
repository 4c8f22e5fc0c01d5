"""What the statements of webhook deliveries read among thousands of rows."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from chassis.postgres.connection import Connection
from chassis.postgres.pool import Pool
from devstack.database import Database
from user_service.adapters.postgres.unit_of_work import PostgresUnitOfWork
from user_service.domain.webhook import KEPT_DEAD, KEPT_DELIVERED

from tests.user_service.conftest import Stored

_ON, _OFF = UUID(int=1), UUID(int=2)
_WEBHOOKS = """
INSERT INTO users.webhooks (id, url, events, description, sealed_secret, created_at, updated_at, is_active)
VALUES ($1, '', '{}', '', '', now(), now(), $2)
"""
_DELIVERIES = """
INSERT INTO users.webhook_deliveries
       (id, webhook_id, event, user_id, version, fields, occurred_at, state, due_at)
SELECT gen_random_uuid(), $1, 'user.changed', gen_random_uuid(), 1, '{}', now() - $4::interval, $2,
       now() - $4::interval
  FROM generate_series(1, $3)
"""
_READ = """
SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
  FROM pg_stat_xact_user_tables WHERE relid = 'users.webhook_deliveries'::regclass
"""


@pytest.fixture(name="unit")
async def _unit(users_pool: Pool, emptied_database: Database) -> AsyncIterator[PostgresUnitOfWork]:
    """A transaction, beside five thousand deliveries in each state that are to stay, and three to find."""
    for webhook_id, is_active in ((_ON, True), (_OFF, False)):
        await users_pool.execute(_WEBHOOKS, webhook_id, is_active)
    for webhook_id, state, count, age in (
        (_OFF, "pending", 5_000, timedelta(days=1)),
        (_ON, "delivered", 5_000, timedelta(days=1)),
        (_ON, "dead", 5_000, timedelta(days=8)),
        (_ON, "pending", 1, timedelta(hours=1)),
        (_ON, "delivered", 1, timedelta(days=8)),
        (_ON, "dead", 1, timedelta(days=31)),
    ):
        await users_pool.execute(_DELIVERIES, webhook_id, state, count, age)
    owner = await asyncpg.connect(emptied_database.url("users_owner"))
    await owner.execute("ANALYZE users.webhooks, users.webhook_deliveries")
    await owner.close()
    async with Stored(users_pool).units.transaction() as unit:
        yield unit


async def _read(connection: Connection) -> int:
    """Returns how many rows the transaction has read."""
    return int(await connection.fetchval(_READ))


async def test_what_waits_for_an_endpoint_that_is_off_is_not_read(unit: PostgresUnitOfWork) -> None:
    """Neither to find what is due nor when the next one is; both are asked each second."""
    wait = await unit.webhooks.next_due()
    claimed = await unit.webhooks.claim(timedelta(minutes=2), but=[])

    assert claimed is not None
    assert claimed[1].id == _ON
    assert wait is not None
    assert wait < timedelta(0)
    assert await _read(unit.connection) < 20


async def test_ended_deliveries_that_are_kept_are_not_read(unit: PostgresUnitOfWork) -> None:
    """Only what waits for an endpoint that is off, whose age no index has, is read."""
    assert await unit.webhooks.purge(KEPT_DELIVERED, KEPT_DEAD) == 2

    assert await _read(unit.connection) < 5_100

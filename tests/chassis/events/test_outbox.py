"""An event is written with its change or not at all."""

import asyncpg
import pytest
from chassis.events.outbox import Outbox
from chassis.grpc import committed
from chassis.postgres.pool import Pool
from vestibule.events.v1.events_pb2 import Event, UserChanged

from devstack import database as devstack_database
from tests.chassis.conftest import OUTBOX_SQL


async def test_an_event_is_completed_written_and_noted(pool: Pool, outbox: Outbox) -> None:
    noted = committed.collect()
    async with pool.transaction() as transaction:
        event = await outbox.append(
            transaction, Event(user_changed=UserChanged(user_id="p"), tags=["user:p"])
        )
        assert noted == []
    assert [each.event for each in noted] == [event]
    assert event.source == "user-service"
    assert event.event_id
    assert event.occurred_at.seconds
    row = await pool.fetchrow("SELECT * FROM stock.outbox")
    assert row is not None
    assert Event.FromString(row["payload"]) == event
    assert str(row["event_id"]) == event.event_id
    assert row["published_at"] is None


async def test_a_rollback_leaves_nothing(pool: Pool, outbox: Outbox) -> None:
    noted = committed.collect()
    with pytest.raises(KeyError):
        async with pool.transaction() as transaction:
            await outbox.append(transaction, Event())
            raise KeyError
    assert noted == []
    assert await pool.fetchval("SELECT count(*) FROM stock.outbox") == 0


COLUMNS = """
SELECT column_name, data_type, is_nullable, is_identity FROM information_schema.columns
WHERE table_schema = $1 AND table_name = 'outbox' ORDER BY ordinal_position
"""
INDEXES = """
SELECT replace(indexdef, $1 || '.', '') FROM pg_indexes
WHERE schemaname = $1 AND tablename = 'outbox' ORDER BY 1
"""


@pytest.mark.parametrize("schema", ["auth", "users"])
async def test_the_services_tables_have_the_documented_shape(
    database: devstack_database.Database, schema: str
) -> None:
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute(OUTBOX_SQL)
        for question in (COLUMNS, INDEXES):
            assert await connection.fetch(question, schema) == await connection.fetch(question, "stock")
    finally:
        await connection.close()

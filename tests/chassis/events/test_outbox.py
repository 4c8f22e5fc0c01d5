"""An event is written with its change or not at all."""

import pytest
from chassis.events.outbox import Outbox
from chassis.grpc import committed
from chassis.postgres.pool import Database
from vestibule.events.v1.events_pb2 import Event, UserChanged


async def test_an_event_is_completed_written_and_noted(pool: Database, outbox: Outbox) -> None:
    noted = committed.collect()
    async with pool.transaction() as transaction:
        event = await outbox.append(
            transaction, Event(user_changed=UserChanged(user_id="p"), tags=["user:p"])
        )
        assert noted == []
    assert noted == [event]
    assert event.source == "stock-service"
    assert event.event_id
    assert event.occurred_at.seconds
    row = await pool.fetchrow("SELECT * FROM stock.outbox")
    assert row is not None
    assert Event.FromString(row["payload"]) == event
    assert str(row["event_id"]) == event.event_id
    assert row["published_at"] is None


async def test_a_rollback_leaves_nothing(pool: Database, outbox: Outbox) -> None:
    noted = committed.collect()
    with pytest.raises(KeyError):
        async with pool.transaction() as transaction:
            await outbox.append(transaction, Event())
            raise KeyError
    assert noted == []
    assert await pool.fetchval("SELECT count(*) FROM stock.outbox") == 0

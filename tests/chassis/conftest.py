"""A pool and an outbox on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest
from chassis.events.outbox import Outbox
from chassis.postgres.pool import Database, open_database

OUTBOX_SQL = """
CREATE SCHEMA stock;
CREATE TABLE stock.outbox (
    position     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     uuid NOT NULL CONSTRAINT outbox_event_id_unique UNIQUE,
    payload      bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    stream_id    text
);
CREATE INDEX outbox_unpublished ON stock.outbox (position) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON stock.outbox (published_at) WHERE published_at IS NOT NULL;
"""


@pytest.fixture(name="pool")
async def _pool(empty_database: str) -> AsyncIterator[Database]:
    """A pool on an empty database."""
    async with open_database(empty_database, application_name="test", max_size=5) as opened:
        yield opened


@pytest.fixture(name="outbox")
async def _outbox(pool: Database) -> Outbox:
    """An outbox in the schema `stock` of the test's database."""
    await pool.execute(OUTBOX_SQL)
    return Outbox(schema="stock", source="stock-service")

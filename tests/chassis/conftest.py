"""A pool and an outbox on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest
from chassis.events import outbox as outbox_module
from chassis.events.outbox import Outbox
from chassis.postgres.pool import Pool, open_pool

_documented = str(outbox_module.__doc__).partition("CREATE TABLE")
OUTBOX_SQL = "CREATE SCHEMA stock; CREATE TABLE" + _documented[2].partition("GRANT")[0].replace(
    "auth.", "stock."
)
"""The table as the outbox's own documentation gives it."""


@pytest.fixture(name="pool")
async def _pool(empty_database: str) -> AsyncIterator[Pool]:
    """A pool on an empty database."""
    async with open_pool(empty_database, application_name="test", max_size=5) as opened:
        yield opened


@pytest.fixture(name="outbox")
async def _outbox(pool: Pool) -> Outbox:
    """An outbox in the schema `stock` of the test's database."""
    await pool.execute(OUTBOX_SQL)
    return Outbox(schema="stock", source="user-service")

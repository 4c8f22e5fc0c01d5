"""The aggregator's database."""

from collections.abc import AsyncIterator

import pytest
from chassis.postgres.pool import Pool, open_pool
from devstack.database import Database
from devstack.postgres import Postgres
from devstack.topology import HEALTH

from tests.databases import deleting, emptied

EMPTYING = deleting("health", "observations", "periods", "changes", "writer", "audit_heads")


@pytest.fixture(name="health_database")
async def _health_database(postgres: Postgres, migrated: Database) -> Database:
    """A database without rows, shared with other tests."""
    return await emptied(postgres, migrated, HEALTH, EMPTYING)


@pytest.fixture(name="health_pool")
async def _health_pool(health_database: Database) -> AsyncIterator[Pool]:
    """The aggregator's pool, with its production role."""
    url = health_database.url("health_aggregator")
    async with open_pool(url, application_name="test", min_size=0, max_size=2) as pool:
        yield pool

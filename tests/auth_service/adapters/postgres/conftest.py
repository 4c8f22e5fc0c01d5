"""Repositories on Postgres, with the role that the service has."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from chassis.postgres.pool import Pool, open_pool
from devstack.database import Database as DevelopmentDatabase
from devstack.postgres import Postgres
from devstack.topology import AUTH

from tests.auth_service.tables import EMPTYING
from tests.databases import emptied


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs all tests of this folder in one event loop, to which the connections are bound."""
    marker = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if "/adapters/postgres/" in item.path.as_posix() and pytest_asyncio.is_async_test(item):
            item.add_marker(marker, append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="connections")
async def _connections(postgres: Postgres, migrated: DevelopmentDatabase) -> AsyncIterator[tuple[Pool, Any]]:
    """The service's pool, and a connection of the schema's owner."""
    database = await emptied(postgres, migrated, AUTH, EMPTYING)
    owner = await asyncpg.connect(database.url("auth_owner"))
    async with open_pool(database.url("auth_service"), application_name="test", max_size=4) as pool:
        yield pool, owner
    await owner.close()


@pytest_asyncio.fixture(loop_scope="session", name="units")
async def _units(connections: tuple[Pool, Any]) -> PostgresUnitsOfWork:
    """Units of work on empty tables."""
    pool, owner = connections
    await owner.execute(EMPTYING)
    return PostgresUnitsOfWork(pool)

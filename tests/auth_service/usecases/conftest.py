"""The use cases on Postgres, with fakes for what is outside."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from devstack.database import Database as DevelopmentDatabase
from devstack.postgres import Postgres

from tests.auth_service.clocked_postgres import ClockedPostgres, open_clocked_postgres
from tests.auth_service.local_service import LocalService, build_service


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs all tests of this folder in one event loop, to which the connections are bound."""
    marker = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if "/auth_service/usecases/" in item.path.as_posix() and pytest_asyncio.is_async_test(item):
            item.add_marker(marker, append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="clocked_postgres")
async def _clocked_postgres(
    postgres: Postgres, migrated: DevelopmentDatabase
) -> AsyncIterator[ClockedPostgres]:
    """The database of this test worker."""
    async with open_clocked_postgres(postgres, migrated) as database:
        yield database


@pytest_asyncio.fixture(loop_scope="session", name="database")
async def _database(clocked_postgres: ClockedPostgres) -> ClockedPostgres:
    """The database with empty tables."""
    await clocked_postgres.empty()
    return clocked_postgres


@pytest.fixture(name="service")
def _service(database: ClockedPostgres) -> LocalService:
    return build_service(database)

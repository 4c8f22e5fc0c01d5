"""The stores in memory, and on Postgres with the role that the service has."""

from collections.abc import AsyncIterator

import pytest
from auth_service.adapters.postgres.database import PostgresDatabase
from auth_service.domain.unit_of_work import Database
from chassis.postgres.pool import open_database
from devstack.database import Database as DevelopmentDatabase
from devstack.postgres import Postgres

from tests.auth_service.emptied_database import emptied
from tests.fakes.auth_service.database import FakeDatabase
from tests.fakes.auth_service.state import FakeClock


@pytest.fixture(name="database", params=["memory", "postgres"])
async def _database(
    request: pytest.FixtureRequest, postgres: Postgres, migrated: DevelopmentDatabase
) -> AsyncIterator[Database]:
    """Each in its turn."""
    if request.param == "memory":
        yield FakeDatabase(FakeClock())
        return
    url = (await emptied(postgres, migrated)).url("auth_service")
    async with open_database(url, application_name="test", max_size=4) as pool:
        yield PostgresDatabase(pool)

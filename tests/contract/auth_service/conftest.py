"""The unit of work in memory, and on Postgres with the role that the service has."""

from collections.abc import AsyncIterator

import pytest
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.domain.unit_of_work import UnitsOfWork
from chassis.postgres.pool import open_pool
from devstack.database import Database as DevelopmentDatabase
from devstack.postgres import Postgres

from tests.auth_service.emptied_database import emptied
from tests.fakes.auth_service.state import FakeClock
from tests.fakes.auth_service.unit_of_work import FakeUnitsOfWork


@pytest.fixture(name="units", params=["memory", "postgres"])
async def _units(
    request: pytest.FixtureRequest, postgres: Postgres, migrated: DevelopmentDatabase
) -> AsyncIterator[UnitsOfWork]:
    """Each in its turn."""
    if request.param == "memory":
        yield FakeUnitsOfWork(FakeClock())
        return
    url = (await emptied(postgres, migrated)).url("auth_service")
    async with open_pool(url, application_name="test", max_size=4) as pool:
        yield PostgresUnitsOfWork(pool)

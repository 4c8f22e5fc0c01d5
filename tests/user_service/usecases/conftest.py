"""The ports of the use cases: Postgres, and auth-service's accounts in memory."""

from dataclasses import dataclass, field

import pytest
from chassis.postgres.pool import Pool

from tests.fakes.user_service import FakeAccounts, FakeClock
from tests.user_service.conftest import Stored


@dataclass(frozen=True)
class Ports(Stored):
    """The ports."""

    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    clock: FakeClock = field(default_factory=FakeClock)


@pytest.fixture(name="ports")
def _ports(users_pool: Pool) -> Ports:
    return Ports(users_pool)

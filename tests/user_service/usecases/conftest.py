"""The ports of the use cases: Postgres, and auth-service's accounts in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from chassis.postgres.pool import Pool

from tests.fakes.user_service import FakeAccounts, FakeClock
from tests.user_service.builders import an_admin
from tests.user_service.conftest import Stored
from tests.user_service.usecases.hooks import Hooks
from tests.webhook_receiver import Receiver


@dataclass(frozen=True)
class Ports(Stored):
    """The ports."""

    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    clock: FakeClock = field(default_factory=FakeClock)


@pytest.fixture(name="ports")
def _ports(users_pool: Pool) -> Ports:
    return Ports(users_pool)


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(name="hooks")
async def _hooks(ports: Ports) -> Hooks:
    admin = an_admin()
    await ports.add(admin)
    return Hooks(ports, admin)

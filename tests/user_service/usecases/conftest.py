"""The use cases on a world in memory."""

from dataclasses import dataclass, field

import pytest
from user_service.domain.user import User
from user_service.wiring import UseCases, build_use_cases

from tests.fakes.user_service import (
    FakeAccounts,
    FakeAuditClients,
    FakeClock,
    FakeEvents,
    FakeUnitOfWork,
    FakeUserReader,
)


@dataclass
class World:
    """Everything around the use cases."""

    units: FakeUnitOfWork = field(default_factory=FakeUnitOfWork)
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    clock: FakeClock = field(default_factory=FakeClock)

    @property
    def does(self) -> UseCases:
        """The use cases."""
        return build_use_cases(
            self.units, FakeUserReader(self.units), self.accounts, FakeAuditClients(), self.clock
        )

    @property
    def events(self) -> FakeEvents:
        """What was told so far."""
        return self.units.state.events

    def add(self, *users: User) -> None:
        """Puts people in."""
        self.units.state.users.rows |= {user.id: user for user in users}

    def find(self, user: User) -> User | None:
        """Returns a person as committed."""
        return self.units.state.users.rows.get(user.id)


@pytest.fixture(name="world")
def _world() -> World:
    return World()

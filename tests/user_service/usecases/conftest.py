"""The ports of the use cases, in memory."""

from dataclasses import dataclass, field

import pytest
from user_service.domain.user import User

from tests.fakes.user_service import FakeAccounts, FakeClock, FakeEvents, FakeUnitOfWork, FakeUserReader


@dataclass
class Ports:
    """The fakes, and shortcuts into them."""

    units: FakeUnitOfWork = field(default_factory=FakeUnitOfWork)
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    clock: FakeClock = field(default_factory=FakeClock)

    @property
    def reader(self) -> FakeUserReader:
        """Reads what the units committed."""
        return FakeUserReader(self.units)

    @property
    def events(self) -> FakeEvents:
        """The committed events."""
        return self.units.state.events

    def add(self, *users: User) -> None:
        """Stores users."""
        self.units.state.users.rows |= {user.id: user for user in users}

    def find(self, user: User) -> User | None:
        """Returns a user as committed."""
        return self.units.state.users.rows.get(user.id)


@pytest.fixture(name="ports")
def _ports() -> Ports:
    return Ports()

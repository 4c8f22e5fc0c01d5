"""A database in memory: its transactions are real, one at a time."""

import asyncio
import copy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from auth_service.domain.events import Event
from auth_service.domain.signing_key import RetiredKey, SigningKey

from tests.fakes.auth_service.api_keys import FakeApiKeys
from tests.fakes.auth_service.attempts import FakeIdempotency
from tests.fakes.auth_service.audit import FakeAuditHeads, FakeAuditTrail
from tests.fakes.auth_service.credentials import FakeCredentials
from tests.fakes.auth_service.devices import FakeDevices
from tests.fakes.auth_service.email_changes import FakeEmailChanges
from tests.fakes.auth_service.exports import FakeExports
from tests.fakes.auth_service.guesses import FakeLoginThrottle
from tests.fakes.auth_service.mails import FakeEmails, FakeMails
from tests.fakes.auth_service.passkeys import FakePasskeys
from tests.fakes.auth_service.second_factors import FakeSecondFactors
from tests.fakes.auth_service.sessions import FakeRevocations, FakeSessions
from tests.fakes.auth_service.sign_ins import FakeSignIns
from tests.fakes.auth_service.state import FakeClock, State


class FakeSigningKeys:
    """`SigningKeyRepository` in two lists."""

    def __init__(self, state: State) -> None:
        self._rows = state.signing_keys
        self._retired = state.retired_keys

    async def all(self) -> Sequence[SigningKey]:
        """Returns every key, the oldest first."""
        return sorted(self._rows, key=lambda key: (key.active_from, key.kid))

    async def lock(self) -> None:
        """Does nothing: the fake's transactions are one at a time."""

    async def add(self, key: SigningKey) -> None:
        """Adds a key."""
        self._rows.append(key)

    async def end(self, key: SigningKey) -> None:
        """Keeps when the JWKS stops showing a key."""
        self._rows[:] = [
            replace(row, removed_from=key.removed_from) if row.kid == key.kid else row for row in self._rows
        ]

    async def retire(self, key: RetiredKey) -> None:
        """Keeps no more than the public half."""
        self._rows[:] = [row for row in self._rows if row.kid != key.kid]
        self._retired.append(key)

    async def retired(self) -> Sequence[RetiredKey]:
        """Returns every retired key."""
        return sorted(self._retired, key=lambda key: (key.active_from, key.kid))


class FakeOutbox:
    """`Outbox` in a list."""

    def __init__(self, state: State) -> None:
        self._rows = state.events

    async def append(self, event: Event) -> None:
        """Writes an event."""
        self._rows.append(event)


class FakeRetention:
    """`Retention` with nothing to delete: what is deleted is a matter of SQL, and tested on it."""

    async def purge(self, limit: int) -> int:
        """Deletes nothing."""
        return 0


class FakeUnitOfWork:
    """`UnitOfWork` on a state."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self.api_keys = FakeApiKeys(state, clock)
        self.idempotency = FakeIdempotency(state, clock)
        self.credentials = FakeCredentials(state, clock)
        self.devices = FakeDevices(state, clock)
        self.sessions = FakeSessions(state, clock)
        self.sign_ins = FakeSignIns(state, clock)
        self.second_factors = FakeSecondFactors(state, clock)
        self.passkeys = FakePasskeys(state, clock)
        self.revocations = FakeRevocations(state, clock)
        self.login_throttle = FakeLoginThrottle(state, clock)
        self.mails = FakeMails(state, clock)
        self.emails = FakeEmails(state)
        self.email_changes = FakeEmailChanges(state, clock)
        self.exports = FakeExports(state)
        self.audit = FakeAuditTrail(state)
        self.audit_heads = FakeAuditHeads(state)
        self.signing_keys = FakeSigningKeys(state)
        self.outbox = FakeOutbox(state)
        self.retention = FakeRetention()


class FakeUnitsOfWork:
    """`Database` in memory: one transaction at a time, undone when it fails.

    Attributes:
        open_connections: UnitOfWork lent at this moment; 0 wherever none may be held.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.state = State()
        self.open_connections = 0
        self._clock = clock
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[FakeUnitOfWork]:
        """Opens a unit whose statements commit one by one."""
        self.open_connections += 1
        try:
            yield FakeUnitOfWork(self.state, self._clock)
        finally:
            self.open_connections -= 1

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[FakeUnitOfWork]:
        """Opens a unit that commits as a whole, or not at all."""
        async with self._turn:
            draft = copy.deepcopy(self.state)
            self.open_connections += 1
            try:
                yield FakeUnitOfWork(draft, self._clock)
            finally:
                self.open_connections -= 1
            self.state = draft

    @property
    def actions(self) -> list[tuple[str, str]]:
        """What was audited, in order: action and outcome."""
        return [(row.entry.action, row.entry.outcome) for row in self.state.audit]

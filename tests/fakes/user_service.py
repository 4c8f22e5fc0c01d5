"""The world of user-service in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.email_address import canonical_email
from chassis.errors import Unavailable
from chassis.text import fold
from user_service.domain.accounts import Registration
from user_service.domain.audit import AuditClient, AuditEntry
from user_service.domain.errors import EmailTaken
from user_service.domain.export import AccountData, AuditData, AuditPage
from user_service.domain.folding import search_terms, search_text, sort_key
from user_service.domain.listing import Cursor, Filter, Sort
from user_service.domain.tombstone import Tombstone
from user_service.domain.user import User

from tests.fakes.user_email_changes import FakeEmailChanges


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 10, tzinfo=UTC)

    def now(self) -> datetime:
        """Returns the present moment in UTC."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Moves on."""
        self.time += timedelta(seconds=seconds)


@dataclass
class FakeEvents:
    """Keeps what was told: ids that changed, ids that are stale, audit entries."""

    changed: list[UUID] = field(default_factory=list)
    stale: list[UUID] = field(default_factory=list)
    audited: list[AuditEntry] = field(default_factory=list)

    async def user_changed(self, user_id: UUID) -> None:
        """Tells that a person was created, changed or erased."""
        self.changed.append(user_id)

    async def user_stale(self, user_id: UUID) -> None:
        """Tells that copies of a person for reading are out of date."""
        self.stale.append(user_id)

    async def audit(self, entry: AuditEntry) -> None:
        """Adds to the audit trail."""
        self.audited.append(entry)

    @property
    def actions(self) -> list[tuple[str, str]]:
        """What was audited: action and outcome."""
        return [(entry.action.value, entry.outcome.value) for entry in self.audited]


@dataclass
class FakeUsers:
    """The people, in a dictionary."""

    rows: dict[UUID, User] = field(default_factory=dict)

    async def insert(self, user: User) -> bool:
        """Adds a person unless the id is there."""
        if user.id in self.rows:
            return False
        self._claim_email(user)
        self.rows[user.id] = user
        return True

    async def find(self, user_id: UUID) -> User | None:
        """Returns a person."""
        return self.rows.get(user_id)

    async def lock(self, user_id: UUID) -> User | None:
        """Returns a person; units run one after another, so all are locked."""
        return self.rows.get(user_id)

    async def save(self, user: User) -> None:
        """Overwrites a person, the last sign-in excepted."""
        self._claim_email(user)
        self.rows[user.id] = replace(user, last_login_at=self.rows[user.id].last_login_at)

    async def record_sign_in(self, user_id: UUID, signed_in_at: datetime) -> bool:
        """Moves the last sign-in forward."""
        user = self.rows.get(user_id)
        if user is None or (user.last_login_at is not None and user.last_login_at >= signed_in_at):
            return False
        self.rows[user_id] = replace(user, last_login_at=signed_in_at)
        return True

    async def is_last_active_admin(self, user_id: UUID) -> bool:
        """Whether nobody else is an active admin."""
        return not any(user.is_active_admin for user in self.rows.values() if user.id != user_id)

    async def delete(self, user_id: UUID) -> None:
        """Removes a person."""
        del self.rows[user_id]

    async def page(
        self, which: Filter, sort: Sort, *, after: Cursor | None, offset: int, limit: int
    ) -> list[User]:
        """Returns people in order."""
        rows = [user for user in self.rows.values() if _passes(user, which)]
        descending = sort is Sort.CREATED_AT_DESCENDING
        rows.sort(key=lambda user: _position(user, sort), reverse=descending)
        if after is not None:
            edge = (after.key, after.user_id)
            rows = [
                user
                for user in rows
                if (_position(user, sort) < edge if descending else _position(user, sort) > edge)
            ]
        return rows[offset : offset + limit]

    async def count(self, which: Filter) -> int:
        """Returns how many people a filter lets through."""
        return sum(_passes(user, which) for user in self.rows.values())

    def _claim_email(self, user: User) -> None:
        address = canonical_email(user.email)
        if any(
            canonical_email(other.email) == address for other in self.rows.values() if other.id != user.id
        ):
            raise EmailTaken


@dataclass
class FakeTombstones:
    """The erased, in a dictionary."""

    rows: dict[UUID, Tombstone] = field(default_factory=dict)

    async def insert(self, tombstone: Tombstone) -> None:
        """Notes that a person was erased."""
        self.rows[tombstone.user_id] = tombstone

    async def find(self, user_id: UUID) -> Tombstone | None:
        """Returns the tombstone of an erased person."""
        return self.rows.get(user_id)


@dataclass
class FakeUnit:
    """Everything in memory."""

    users: FakeUsers = field(default_factory=FakeUsers)
    email_changes: FakeEmailChanges = field(default_factory=FakeEmailChanges)
    tombstones: FakeTombstones = field(default_factory=FakeTombstones)
    events: FakeEvents = field(default_factory=FakeEvents)


class FakeUnitOfWork:
    """Runs units one after another; a unit that raises leaves nothing behind."""

    def __init__(self) -> None:
        self.state = FakeUnit()
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[FakeUnit]:
        """Opens one."""
        async with self._lock:
            state = self.state
            users, changes = FakeUsers(dict(state.users.rows)), state.email_changes
            draft = FakeUnit(
                users,
                FakeEmailChanges(users.rows, dict(changes.requests), dict(changes.reserved)),
                FakeTombstones(dict(state.tombstones.rows)),
                FakeEvents(list(state.events.changed), list(state.events.stale), list(state.events.audited)),
            )
            yield draft
            self.state = draft


@dataclass
class FakeUserReader:
    """Reads what the units committed."""

    units: FakeUnitOfWork

    async def find(self, user_id: UUID) -> User | None:
        """Returns a person."""
        return self.units.state.users.rows.get(user_id)


@dataclass
class FakeAccounts:
    """The credentials of auth-service.

    Attributes:
        waiting: Registrations, by id.
        passwords: By id.
        synced: Ids in the order in which they were brought in step.
        refused: Ids of dropped registrations.
        audit_events_kept: How many entries each person has.
        away: Whether auth-service cannot be reached.
    """

    waiting: dict[UUID, Registration] = field(default_factory=dict)
    passwords: dict[UUID, str] = field(default_factory=dict)
    synced: list[UUID] = field(default_factory=list)
    refused: list[UUID] = field(default_factory=list)
    audit_events_kept: int = 3
    away: bool = False

    async def registration(self, user_id: UUID) -> Registration | None:
        """Returns a registration that waits to be admitted."""
        self._answer()
        return self.waiting.get(user_id)

    async def refuse_registration(self, user_id: UUID) -> None:
        """Drops a registration."""
        self._answer()
        self.waiting.pop(user_id, None)
        self.refused.append(user_id)

    async def sync(self, user_id: UUID) -> None:
        """Makes the credential equal to the person."""
        self._answer()
        self.synced.append(user_id)

    async def verify_password(self, user_id: UUID, password: str) -> bool:
        """Whether the password is the person's."""
        self._answer()
        return self.passwords.get(user_id) == password

    async def export(self, user_id: UUID) -> AccountData:
        """Returns something."""
        self._answer()
        return AccountData(f"account of {user_id}")

    async def audit_events(self, user_id: UUID, below: int | None, page_size: int) -> AuditPage:
        """Returns entries, which are but numbers here."""
        self._answer()
        newest = self.audit_events_kept if below is None else below - 1
        entries = [AuditData(number) for number in range(newest, max(0, newest - page_size), -1)]
        full = len(entries) == page_size
        return AuditPage(entries, next_below=newest - page_size + 1 if full else None)

    def _answer(self) -> None:
        if self.away:
            raise Unavailable


def _passes(user: User, which: Filter) -> bool:
    return (
        (which.role is None or user.role is which.role)
        and (which.is_active is None or user.is_active is which.is_active)
        and (not which.search or _is_found(user, which.search))
    )


def _is_found(user: User, wanted: str) -> bool:
    text = search_text(user.email, user.full_name)
    return any(term in text for term in search_terms(wanted))


def _position(user: User, sort: Sort) -> tuple[datetime | str, UUID]:
    match sort:
        case Sort.EMAIL:
            return sort_key(canonical_email(user.email)), user.id
        case Sort.FULL_NAME:
            return sort_key(fold(user.full_name)), user.id
        case _:
            return user.created_at, user.id


@dataclass
class FakeAuditClients:
    """Whom audit events came from, in a dictionary."""

    kept: dict[UUID, AuditClient] = field(default_factory=dict)

    async def find(self, event_id: UUID) -> AuditClient | None:
        """Returns whom an event came from."""
        return self.kept.get(event_id)

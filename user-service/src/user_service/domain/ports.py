"""What the use cases need from the world."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from user_service.domain.audit import AuditClient, AuditEntry
from user_service.domain.export import AccountData, AuditPage
from user_service.domain.listing import Cursor, Filter, Sort
from user_service.domain.user import Registration, Tombstone, User


class UserRepository(Protocol):
    """The people, inside one unit of work."""

    async def insert(self, user: User) -> bool:
        """Adds a person; returns False, and adds nothing, when the id is there already.

        Raises:
            EmailTaken: Another person has the address.
        """
        ...

    async def find(self, user_id: UUID) -> User | None:
        """Returns a person as committed."""
        ...

    async def lock(self, user_id: UUID) -> User | None:
        """Returns a person whom nobody else can change before the unit ends."""
        ...

    async def save(self, user: User) -> None:
        """Overwrites a locked person, the last sign-in excepted.

        Raises:
            EmailTaken: Another person has the address.
        """
        ...

    async def record_sign_in(self, user_id: UUID, signed_in_at: datetime) -> bool:
        """Moves the last sign-in forward; returns whether it moved."""
        ...

    async def is_last_active_admin(self, user_id: UUID) -> bool:
        """Whether nobody but this person is an active admin.

        Holds off every other unit that asks until this one ends, so the answer stays true.
        """
        ...

    async def delete(self, user_id: UUID) -> None:
        """Removes a locked person's row."""
        ...

    async def page(
        self, which: Filter, sort: Sort, *, behind: Cursor | None, offset: int, limit: int
    ) -> list[User]:
        """Returns people in order, behind a cursor or else from an offset, at most `limit`."""
        ...

    async def count(self, which: Filter) -> int:
        """Returns how many people a filter lets through."""
        ...


class EmailChangeRepository(Protocol):
    """What changing an address needs, inside one unit of work."""

    async def count_request(
        self, user_id: UUID, at: datetime, *, at_most: int, window: timedelta
    ) -> timedelta | None:
        """Counts a request of a locked user; returns how long to wait when there were too many."""
        ...

    async def is_taken(self, email: str, user_id: UUID) -> bool:
        """Whether another user has the address, or may still have it restored."""
        ...

    async def reserve(self, email: str, user_id: UUID, duration: timedelta) -> None:
        """Keeps an address that a user has given up from everybody else."""
        ...

    async def release(self, user_id: UUID) -> None:
        """Gives free what was kept for a user."""
        ...


class TombstoneRepository(Protocol):
    """The erased, inside one unit of work."""

    async def insert(self, tombstone: Tombstone) -> None:
        """Notes that a person was erased."""
        ...

    async def find(self, user_id: UUID) -> Tombstone | None:
        """Returns the tombstone of an erased person."""
        ...


class Events(Protocol):
    """What other services are told, if and only if the unit of work commits."""

    async def user_changed(self, user_id: UUID) -> None:
        """Tells that a person was created, changed or erased."""
        ...

    async def user_stale(self, user_id: UUID) -> None:
        """Tells that copies of a person for reading are out of date, and nothing more."""
        ...

    async def audit(self, entry: AuditEntry) -> None:
        """Adds to the audit trail."""
        ...


class Unit(Protocol):
    """Everything that one transaction can reach."""

    @property
    def users(self) -> UserRepository:
        """The people."""
        ...

    @property
    def email_changes(self) -> EmailChangeRepository:
        """What changing an address needs."""
        ...

    @property
    def tombstones(self) -> TombstoneRepository:
        """The erased."""
        ...

    @property
    def events(self) -> Events:
        """What is told if it commits."""
        ...


class UnitOfWork(Protocol):
    """Opens units of work. One commits when its block ends and rolls back when the block raises."""

    def __call__(self) -> AbstractAsyncContextManager[Unit]:
        """Opens one."""
        ...


class UserReader(Protocol):
    """Single reads outside of any unit of work."""

    async def find(self, user_id: UUID) -> User | None:
        """Returns a person as committed."""
        ...


class AuditClients(Protocol):
    """Whom audit events came from, for auth-service to fetch."""

    async def find(self, event_id: UUID) -> AuditClient | None:
        """Returns whom an event came from; None once that is erased or has served its time."""
        ...


class Accounts(Protocol):
    """The credentials that auth-service keeps for people."""

    async def registration(self, user_id: UUID) -> Registration | None:
        """Returns a registration that waits to be admitted.

        Raises:
            Unavailable: auth-service cannot answer now.
        """
        ...

    async def refuse_registration(self, user_id: UUID) -> None:
        """Drops a registration that cannot be admitted.

        Raises:
            Unavailable: auth-service cannot answer now.
        """
        ...

    async def sync(self, user_id: UUID) -> None:
        """Makes the credential equal to the person as committed here.

        Raises:
            Unavailable: auth-service cannot answer now; the outbox will see to it.
        """
        ...

    async def verify_password(self, user_id: UUID, password: str) -> bool:
        """Whether the password is the person's.

        Raises:
            Unavailable: auth-service cannot answer now.
            RemoteError: Too many wrong ones (TOO_MANY_ATTEMPTS).
        """
        ...

    async def export(self, user_id: UUID) -> AccountData:
        """Returns everything that auth-service holds about a person, the audit chain excepted.

        Raises:
            NotFound: There is no such person, or not any more.
            Unavailable: auth-service cannot answer now.
        """
        ...

    async def audit_events(self, user_id: UUID, below: int | None, page_size: int) -> AuditPage:
        """Returns entries of the audit chain by or about a person, the newest first.

        Raises:
            Unavailable: auth-service cannot answer now.
        """
        ...

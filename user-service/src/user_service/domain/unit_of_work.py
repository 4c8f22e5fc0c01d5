"""What one transaction contains: repositories, and events that are published if it commits."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from user_service.domain.audit import AuditEntry
from user_service.domain.email_change import EmailChangeRepository
from user_service.domain.tombstone import TombstoneRepository
from user_service.domain.user_repository import UserRepository


class Events(Protocol):
    """Events that are published if and only if the unit of work commits."""

    async def user_changed(self, user_id: UUID) -> None:
        """A user was created, changed or erased."""
        ...

    async def user_stale(self, user_id: UUID) -> None:
        """Cached copies of a user are out of date; nothing that other services copy has changed."""
        ...

    async def audit(self, entry: AuditEntry) -> None:
        """Adds an entry to the audit trail."""
        ...


class Unit(Protocol):
    """One open unit of work."""

    @property
    def users(self) -> UserRepository:
        """The users."""
        ...

    @property
    def email_changes(self) -> EmailChangeRepository:
        """Requests for other addresses, and reserved ones."""
        ...

    @property
    def tombstones(self) -> TombstoneRepository:
        """The erased users."""
        ...

    @property
    def events(self) -> Events:
        """The events to publish."""
        ...


class UnitOfWork(Protocol):
    """Opens units of work. One commits when its block ends and rolls back when the block raises."""

    def __call__(self) -> AbstractAsyncContextManager[Unit]:
        """Opens one."""
        ...

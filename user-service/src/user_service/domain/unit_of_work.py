"""The unit of work: all repositories on one connection."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from chassis.idempotency.record import IdempotencyRepository

from user_service.domain.audit import AuditClientRepository, AuditEntry
from user_service.domain.email_change import EmailChangeRepository
from user_service.domain.tombstone import TombstoneRepository
from user_service.domain.user_import import ImportRepository
from user_service.domain.user_repository import UserRepository
from user_service.domain.webhook import WebhookRepository


class Outbox(Protocol):
    """Events that are published if and only if the transaction commits."""

    async def user_changed(self, user_id: UUID) -> None:
        """A user was created, changed or erased."""
        ...

    async def drop_cached_users(self, user_ids: Collection[UUID]) -> None:
        """Cached copies of users are out of date; nothing that other services copy has changed."""
        ...

    async def audit(self, entry: AuditEntry) -> None:
        """Adds an entry to the audit trail."""
        ...


class StaleCopies(Protocol):
    """Makes cached copies of users go, where losing some does no harm: they expire within seconds."""

    def note(self, user_id: UUID) -> None:
        """Drops a user's copies at the gateway of this call now, and at others soon."""
        ...


class UnitOfWork(Protocol):
    """All repositories, on one connection."""

    @property
    def users(self) -> UserRepository:
        """The users."""
        ...

    @property
    def imports(self) -> ImportRepository:
        """Users who are imported."""
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
    def webhooks(self) -> WebhookRepository:
        """The webhooks and their deliveries."""
        ...

    @property
    def idempotency(self) -> IdempotencyRepository:
        """Idempotency records."""
        ...

    @property
    def audit_clients(self) -> AuditClientRepository:
        """The clients behind audit events."""
        ...

    @property
    def outbox(self) -> Outbox:
        """The events to publish; in a transaction only."""
        ...


class UnitsOfWork(Protocol):
    """Opens units of work."""

    def statements(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Opens a unit whose statements commit one by one."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """Opens a unit that commits at the end of the block, and rolls back when the block raises."""
        ...

"""The unit of work: all repositories on one connection."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from chassis.idempotency.record import IdempotencyRepository

from knowledge_service.domain.audit import AuditClientRepository, AuditEntry
from knowledge_service.domain.document import DocumentRepository
from knowledge_service.domain.index_removal import IndexRemovalRepository
from knowledge_service.domain.owner import OwnerRepository
from knowledge_service.domain.passage import PassageRepository
from knowledge_service.domain.source import SourceRepository


class Outbox(Protocol):
    """Events that are published if and only if the transaction commits."""

    async def audit(self, entry: AuditEntry) -> None:
        """Adds an entry to the audit trail."""
        ...


class UnitOfWork(Protocol):
    """All repositories, on one connection."""

    @property
    def documents(self) -> DocumentRepository:
        """The documents."""
        ...

    @property
    def passages(self) -> PassageRepository:
        """The passages."""
        ...

    @property
    def removals(self) -> IndexRemovalRepository:
        """The documents to be removed from the index."""
        ...

    @property
    def sources(self) -> SourceRepository:
        """The folders that are followed."""
        ...

    @property
    def owners(self) -> OwnerRepository:
        """The users whom documents belong to."""
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

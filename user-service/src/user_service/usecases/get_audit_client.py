"""Whom an audit event came from."""

from dataclasses import dataclass
from uuid import UUID

from chassis.errors import NotFound

from user_service.domain.audit import AuditClient
from user_service.domain.ports import AuditClients


@dataclass(frozen=True, slots=True)
class GetAuditClient:
    """Tells auth-service what no event carries."""

    clients: AuditClients

    async def __call__(self, event_id: UUID) -> AuditClient:
        """Returns whom the event came from.

        Raises:
            NotFound: that is erased, or was never kept.
        """
        found = await self.clients.find(event_id)
        if found is None:
            raise NotFound
        return found

"""Audit entries about events, and the clients behind audit entries."""

from collections.abc import Mapping
from uuid import UUID

from chassis.component import Component
from chassis.errors import NotFound
from chassis.identity.audit_client import AuditClient
from chassis.identity.caller import ANONYMOUS

from knowledge_service.domain.audit import Action, Outcome, entry
from knowledge_service.domain.unit_of_work import UnitsOfWork


class AuditEvents(Component):
    """Audits that an event was refused or became a dead letter."""

    units: UnitsOfWork

    async def __call__(self, action: str, details: Mapping[str, str]) -> None:
        """Adds the entry.

        Args:
            action: `events.refused` or `events.dead_letter`.
            details: The reason, and the kind of event.
        """
        async with self.units.transaction() as unit:
            await unit.outbox.audit(entry(Action(action), ANONYMOUS, details=details, outcome=Outcome.FAILED))


class GetAuditClient(Component):
    """Returns the client behind an audit event to auth-service; no event carries it."""

    units: UnitsOfWork

    async def __call__(self, *, event_id: UUID) -> AuditClient:
        """Returns the client.

        Raises:
            NotFound: it was erased, or there never was one.
        """
        async with self.units.statements() as unit:
            client = await unit.audit_clients.find(event_id)
        if client is None:
            raise NotFound
        return client

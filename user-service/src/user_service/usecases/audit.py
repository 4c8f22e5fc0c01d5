"""Audit entries besides those of successful changes, and the clients behind audit entries."""

from collections.abc import Mapping
from uuid import UUID

from chassis.component import Component
from chassis.errors import NotFound, ServiceError
from chassis.identity.audit_client import AuditClient
from chassis.identity.caller import ANONYMOUS, Caller

from user_service.domain.audit import Action, Outcome, entry
from user_service.domain.unit_of_work import UnitsOfWork


async def record_refusal(
    units: UnitsOfWork, action: Action, caller: Caller, subject_id: UUID, error: ServiceError
) -> None:
    """Audits a refused change, in a unit of work of its own, since the change's was rolled back."""
    async with units.transaction() as unit:
        details = {"reason": error.reason}
        await unit.outbox.audit(entry(action, caller, subject_id, details, Outcome.REFUSED))


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

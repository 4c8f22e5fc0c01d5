"""Refused changes: undone, but on the record."""

from uuid import UUID

from chassis.errors import ServiceError
from chassis.identity.caller import Caller

from user_service.domain.audit import Action, Outcome, entry
from user_service.domain.ports import UnitOfWork


async def record_refusal(
    units: UnitOfWork, action: Action, caller: Caller, subject_id: UUID, error: ServiceError
) -> None:
    """Puts a refusal in the audit trail, in a unit of its own: the change's was rolled back."""
    async with units() as unit:
        details = {"reason": error.reason}
        await unit.events.audit(entry(action, caller, subject_id, details, Outcome.REFUSED))

"""Having it audited that an event was refused or put aside."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.identity.caller import ANONYMOUS

from user_service.domain.audit import Action, Outcome, entry
from user_service.domain.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class AuditEvents:
    """Adds an entry about an event to the audit trail."""

    units: UnitOfWork

    async def __call__(self, action: str, details: Mapping[str, str]) -> None:
        """Returns once the entry is on its way.

        Args:
            action: `events.refused` or `events.dead_letter`.
            details: Why, and which kind of event.
        """
        async with self.units() as unit:
            await unit.events.audit(entry(Action(action), ANONYMOUS, details=details, outcome=Outcome.FAILED))

"""Audit entries about events."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.identity.caller import ANONYMOUS

from knowledge_service.domain.audit import Action, Outcome, entry
from knowledge_service.domain.unit_of_work import UnitsOfWork


@dataclass(frozen=True, slots=True)
class AuditEvents:
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

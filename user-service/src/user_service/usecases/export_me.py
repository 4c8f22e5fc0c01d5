"""Everything that every service holds about the caller."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.identity.caller import Caller

from user_service.domain.audit import Action, entry
from user_service.domain.export import AuditData, PersonalData
from user_service.domain.ports import Accounts, UnitOfWork, UserReader
from user_service.usecases.standing import require_standing

AUDIT_EVENTS_MAX = 10_000
PAGE_SIZE = 1_000


@dataclass(frozen=True, slots=True)
class ExportMe:
    """Gathers it, and puts on the record that it was asked for."""

    units: UnitOfWork
    reader: UserReader
    accounts: Accounts
    clock: Clock

    async def __call__(self, caller: Caller) -> PersonalData:
        """Returns it, with the latest `AUDIT_EVENTS_MAX` audit entries.

        Raises:
            TokenRevoked: The caller was deactivated or erased since the token was issued.
            Unavailable: auth-service could not be asked.
        """
        user = require_standing(await self.reader.find(caller.person()))
        account = await self.accounts.export(user.id)
        events: list[AuditData] = []
        below: int | None = None
        while len(events) < AUDIT_EVENTS_MAX:
            page = await self.accounts.audit_events(user.id, below, PAGE_SIZE)
            events += page.entries
            below = page.next_below
            if below is None:
                break
        async with self.units() as unit:
            await unit.events.audit(entry(Action.EXPORT, caller, user.id))
        return PersonalData(
            exported_at=self.clock.now(),
            user=user,
            account=account,
            audit_events=events,
            is_truncated=below is not None,
        )

"""Exporting everything that all services store about a user."""

from chassis.clock import Clock
from chassis.component import Component
from chassis.identity.caller import Caller

from user_service.domain.accounts import Accounts
from user_service.domain.audit import Action, entry
from user_service.domain.export import AuditData, ExportedDocuments, PersonalData, StoredDocuments
from user_service.domain.unit_of_work import UnitsOfWork
from user_service.usecases.callers import require_active

AUDIT_EVENTS_MAX = 10_000
PAGE_SIZE = 1_000


class ExportMe(Component):
    """Exports the data of the caller's user. Exporting is audited.

    Attributes:
        documents: None where knowledge-service is off.
    """

    units: UnitsOfWork
    accounts: Accounts
    clock: Clock
    documents: StoredDocuments | None = None

    async def __call__(self, *, caller: Caller) -> PersonalData:
        """Returns the data, with the newest `AUDIT_EVENTS_MAX` audit entries.

        Raises:
            TokenRevoked: the user was deactivated or erased since the token was issued.
            Unavailable: auth-service, or knowledge-service where it is on, could not be reached.
        """
        async with self.units.statements() as unit:
            user = require_active(await unit.users.find(caller.require_user_id()))
        account = await self.accounts.export(user.id)
        documents = ExportedDocuments() if self.documents is None else await self.documents.export(user.id)
        events: list[AuditData] = []
        below: int | None = None
        while len(events) < AUDIT_EVENTS_MAX:
            page = await self.accounts.audit_events(user.id, below, PAGE_SIZE)
            events += page.entries
            below = page.next_below
            if below is None:
                break
        async with self.units.transaction() as unit:
            await unit.outbox.audit(entry(Action.EXPORT, caller, user.id))
        return PersonalData(
            exported_at=self.clock.now(),
            user=user,
            account=account,
            audit_events=events,
            is_truncated=below is not None,
            documents=documents,
        )

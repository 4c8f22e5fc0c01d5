"""Creating users who are imported from another system."""

from collections.abc import Sequence
from itertools import compress

from chassis.component import Component
from chassis.errors import Unavailable
from chassis.identity.caller import Caller
from chassis.identity.role import Role

from user_service.domain.audit import Action, AuditEntry, entry
from user_service.domain.unit_of_work import UnitsOfWork
from user_service.domain.user import User
from user_service.domain.user_import import ImportResult


class ImportUsers(Component):
    """Creates many users in one transaction; those who exist already are left as they are.

    No event announces them: auth-service, which imports them, has stored their credentials before,
    and events of a hundred thousand users would keep other users' changes waiting.
    """

    units: UnitsOfWork

    async def __call__(
        self, *, caller: Caller, users: Sequence[User], check_only: bool = False
    ) -> list[ImportResult]:
        """Returns what became of each user, or with `check_only` what would.

        Raises:
            Unavailable: a concurrent call created or erased one of them; a repeat sees it.
        """
        if check_only:
            async with self.units.statements() as unit:
                return await unit.imports.results(users)
        async with self.units.transaction() as unit:
            results = await unit.imports.results(users)
            created = list(compress(users, (result is ImportResult.CREATED for result in results)))
            if not created:
                return results
            if await unit.imports.insert(created) < len(created):
                raise Unavailable
            # Read after the insert, which waits for a concurrent erasure of the same user.
            if ImportResult.ERASED in await unit.imports.results(created):
                raise Unavailable
            for audited in _entries(caller, created):
                await unit.outbox.audit(audited)
            return results


def _entries(caller: Caller, created: Sequence[User]) -> list[AuditEntry]:
    """Returns the entries for a part of an import: one for the whole, and one for each admin."""
    admins = [user for user in created if user.role is Role.ADMIN]
    details = {"users": str(len(created)), "admins": str(len(admins))}
    return [
        entry(Action.IMPORT, caller, details=details),
        *(entry(Action.IMPORT, caller, admin.id, {"role": admin.role.value}) for admin in admins),
    ]

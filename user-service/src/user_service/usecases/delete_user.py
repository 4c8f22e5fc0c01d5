"""Erasing a person."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import NotFound
from chassis.identity.caller import Caller

from user_service.domain.audit import Action, entry
from user_service.domain.errors import LastAdmin
from user_service.domain.ports import Accounts, Unit, UnitOfWork
from user_service.domain.user import Tombstone
from user_service.usecases.refusal import record_refusal
from user_service.usecases.standing import require_admin
from user_service.usecases.update_user import require_another_admin


@dataclass(frozen=True, slots=True)
class DeleteUser:
    """Erases a person; a tombstone without name or address remains.

    Once committed it is completed whatever happens next; it is acknowledged only when
    auth-service has erased the credential and ended the sessions.
    """

    units: UnitOfWork
    accounts: Accounts
    clock: Clock

    async def __call__(self, caller: Caller, user_id: UUID) -> None:
        """Erases the person.

        Raises:
            NotFound: There is no such person, or not any more.
            LastAdmin: Nobody would be left to administer.
            TokenRevoked: The caller is not what the token says any more.
            Unavailable: It is committed, but auth-service could not be told yet.
        """
        try:
            async with self.units() as unit:
                erased_before = not await self._erase(unit, caller, user_id)
        except LastAdmin as refusal:
            await record_refusal(self.units, Action.DELETE, caller, user_id, refusal)
            raise
        # Also on a repeat: the first time may have ended before auth-service knew.
        await self.accounts.sync(user_id)
        if erased_before:
            raise NotFound

    async def _erase(self, unit: Unit, caller: Caller, user_id: UUID) -> bool:
        """Returns whether there was somebody to erase; False when a tombstone is there already."""
        user = await unit.users.lock(user_id)
        if user_id != caller.user_id:
            await require_admin(unit, caller)
        if user is None:
            if await unit.tombstones.find(user_id) is None:
                raise NotFound
            return False
        if user.is_active_admin:
            await require_another_admin(unit, user_id)
        await unit.users.delete(user_id)
        await unit.tombstones.insert(Tombstone(user_id, user.version + 1, self.clock.now()))
        await unit.events.user_changed(user_id)
        await unit.events.audit(entry(Action.DELETE, caller, user_id))
        return True

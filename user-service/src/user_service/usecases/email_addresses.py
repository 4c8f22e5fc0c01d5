"""Verifying and restoring e-mail addresses: called by auth-service, and again for its events."""

from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.identity.caller import Caller

from user_service.domain.announcements import announce
from user_service.domain.audit import Action, AuditEntry
from user_service.domain.email_change import RESTORABLE
from user_service.domain.errors import EmailTaken
from user_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from user_service.domain.user import User, restore, verify
from user_service.usecases.audit import record_refusal


class MarkEmailVerified(Component):
    """Marks the current address as verified, or makes the pending address the current one."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(self, *, caller: Caller, user_id: UUID, email: str) -> User | None:
        """Returns the changed user; None when erased. An address that is neither changes nothing.

        Raises:
            EmailTaken: another user has taken the pending address.
        """
        try:
            async with self.units.transaction() as unit:
                before = await unit.users.lock(user_id)
                if before is None:
                    return None
                after = verify(before, email, self.clock.now())
                if after is not before:
                    await save_with_address(unit, before, after)
                    action = Action.EMAIL_VERIFIED if after.email == before.email else Action.EMAIL_CHANGED
                    await _record(unit, action, caller, user_id)
                return after
        except EmailTaken as refusal:
            await record_refusal(self.units, Action.EMAIL_CHANGED, caller, user_id, refusal)
            raise


class RestoreEmail(Component):
    """Restores a user's former address after a change that the user did not want."""

    units: UnitsOfWork
    clock: Clock

    async def __call__(self, *, caller: Caller, user_id: UUID, email: str) -> None:
        """Restores the address; does nothing for an erased user, or on a repeat.

        Raises:
            EmailTaken: the reservation has expired, and another user has the address.
        """
        async with self.units.transaction() as unit:
            before = await unit.users.lock(user_id)
            if before is None:
                return
            after = restore(before, email, self.clock.now())
            # A repeat must not end the reservations of addresses from before.
            if email != before.email:
                await unit.email_changes.release(user_id)
            if after is not before:
                await unit.users.save(after)
                await unit.outbox.user_changed(user_id)
                await announce(unit, before, after)
                await _record(unit, Action.EMAIL_RESTORED, caller, user_id)


async def save_with_address(unit: UnitOfWork, before: User, after: User) -> None:
    """Saves a changed user; a replaced address is reserved for as long as it can be restored.

    Raises:
        EmailTaken: another user has the new address, or it is reserved for another user.
    """
    await unit.users.save(after)
    if after.email != before.email:
        # Read after the row is written, which waits for a user who gives the address up just now.
        if await unit.email_changes.is_taken(after.email, after.id):
            raise EmailTaken
        await unit.email_changes.reserve(before.email, before.id, RESTORABLE)
    await unit.outbox.user_changed(after.id)
    await announce(unit, before, after)


async def _record(unit: UnitOfWork, action: Action, caller: Caller, user_id: UUID) -> None:
    await unit.outbox.audit(AuditEntry(action=action, actor=caller, actor_id=user_id, subject_id=user_id))

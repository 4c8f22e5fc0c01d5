"""Taking in what auth-service found proven about a user's address: on its call, and again on its event."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.identity.caller import Caller

from user_service.domain.audit import Action, AuditEntry
from user_service.domain.errors import EmailTaken
from user_service.domain.ports import Unit, UnitOfWork
from user_service.domain.user import RESTORABLE, User, restore, verify
from user_service.usecases.refusal import record_refusal


@dataclass(frozen=True, slots=True)
class MarkEmailVerified:
    """Marks the address as verified, or makes the pending one the address: whichever was proven."""

    units: UnitOfWork
    clock: Clock

    async def __call__(self, caller: Caller, user_id: UUID, email: str) -> User | None:
        """Returns the user as they are then; None when erased. Another address changes nothing.

        Raises:
            EmailTaken: Another user has the pending address by now.
        """
        try:
            async with self.units() as unit:
                before = await unit.users.lock(user_id)
                if before is None:
                    return None
                after = verify(before, email, self.clock.now())
                if after is not before:
                    await take_over(unit, before, after)
                    action = Action.EMAIL_VERIFIED if after.email == before.email else Action.EMAIL_CHANGED
                    await _record(unit, action, caller, user_id)
                return after
        except EmailTaken as refusal:
            await record_refusal(self.units, Action.EMAIL_CHANGED, caller, user_id, refusal)
            raise


@dataclass(frozen=True, slots=True)
class RestoreEmail:
    """Gives a user an address back that they had: they did not want the change."""

    units: UnitOfWork
    clock: Clock

    async def __call__(self, caller: Caller, user_id: UUID, email: str) -> None:
        """Returns when it is theirs; does nothing for a user erased since, or the second time.

        Raises:
            EmailTaken: Another user has it, because it was kept no longer.
        """
        async with self.units() as unit:
            before = await unit.users.lock(user_id)
            if before is None:
                return
            after = restore(before, email, self.clock.now())
            # Those given up before stay kept, unless one of them comes back.
            if email != before.email:
                await unit.email_changes.release(user_id)
            if after is not before:
                await unit.users.save(after)
                await unit.events.user_changed(user_id)
                await _record(unit, Action.EMAIL_RESTORED, caller, user_id)


async def take_over(unit: Unit, before: User, after: User) -> None:
    """Saves a changed user; an address that was given up is kept from others while it can be restored.

    Raises:
        EmailTaken: Another user has the new address, or may still have it restored.
    """
    await unit.users.save(after)
    if after.email != before.email:
        # Asked after the row is written: whoever gives the address up at this moment was waited for.
        if await unit.email_changes.is_taken(after.email, after.id):
            raise EmailTaken
        await unit.email_changes.reserve(before.email, before.id, RESTORABLE)
    await unit.events.user_changed(after.id)


async def _record(unit: Unit, action: Action, caller: Caller, user_id: UUID) -> None:
    await unit.events.audit(AuditEntry(action=action, actor=caller, actor_id=user_id, subject_id=user_id))

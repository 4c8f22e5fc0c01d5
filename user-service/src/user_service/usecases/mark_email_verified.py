"""Noting that an address was shown to be a person's: on auth-service's call."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.identity.caller import Caller

from user_service.domain.audit import Action, AuditEntry
from user_service.domain.ports import UnitOfWork
from user_service.domain.user import verify


@dataclass(frozen=True, slots=True)
class MarkEmailVerified:
    """Marks a person's address as verified, if it still is the one that was shown to be theirs."""

    units: UnitOfWork
    clock: Clock

    async def __call__(self, caller: Caller, user_id: UUID, email: str) -> None:
        """Notes it; does nothing for another address, a person erased since, or what is noted already."""
        async with self.units() as unit:
            before = await unit.users.lock(user_id)
            if before is None:
                return
            after = verify(before, email, self.clock.now())
            if after is before:
                return
            await unit.users.save(after)
            await unit.events.user_changed(user_id)
            await unit.events.audit(
                AuditEntry(action=Action.EMAIL_VERIFIED, actor=caller, actor_id=user_id, subject_id=user_id)
            )

"""Turning a registration into a person: on auth-service's call, and again on its event."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import NotFound
from chassis.identity.caller import Caller

from user_service.domain.audit import Action, AuditEntry
from user_service.domain.errors import EmailTaken
from user_service.domain.ports import Accounts, Unit, UnitOfWork, UserReader
from user_service.domain.user import Registration, User


@dataclass(frozen=True, slots=True)
class AdmitUser:
    """Makes a person of a pending registration; does nothing when the person exists."""

    units: UnitOfWork
    reader: UserReader
    accounts: Accounts
    clock: Clock

    async def __call__(self, caller: Caller, user_id: UUID) -> User:
        """Returns the person.

        Raises:
            EmailTaken: Another person has the address.
            NotFound: There is no such registration, or the person was erased.
            Unavailable: auth-service could not be asked.
        """
        known = await self.reader.find(user_id)
        if known is not None:
            return known
        registration = await self.accounts.registration(user_id)
        if registration is None:
            # Somebody else may have admitted the person while we asked.
            known = await self.reader.find(user_id)
            if known is None:
                raise NotFound
            return known
        async with self.units() as unit:
            return await self._admit(unit, caller, user_id, registration)

    async def _admit(self, unit: Unit, caller: Caller, user_id: UUID, registration: Registration) -> User:
        now = self.clock.now()
        newcomer = User(
            id=user_id,
            email=registration.email,
            full_name=registration.full_name,
            role=registration.role,
            is_active=True,
            email_verified=registration.email_verified,
            version=1,
            created_at=now,
            updated_at=now,
        )
        if not await unit.users.insert(newcomer):
            known = await unit.users.find(user_id)
            if known is None:
                raise NotFound
            return known
        if await unit.email_changes.is_taken(newcomer.email, user_id):
            raise EmailTaken  # It was given up lately, and may still be restored.
        # Asked after the insert, which waits for whoever erases the same person just now.
        if await unit.tombstones.find(user_id) is not None:
            raise NotFound
        await unit.events.user_changed(user_id)
        await unit.events.audit(
            AuditEntry(action=Action.ADMIT, actor=caller, actor_id=user_id, subject_id=user_id)
        )
        return newcomer

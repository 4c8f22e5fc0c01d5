"""Admitting the users who registered with auth-service."""

from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import NotFound
from chassis.identity.caller import Caller

from user_service.domain.accounts import Accounts, Registration
from user_service.domain.announcements import announce
from user_service.domain.audit import Action, AuditEntry
from user_service.domain.errors import EmailTaken
from user_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from user_service.domain.user import User


class AdmitUser(Component):
    """Creates the user of a pending registration; does nothing when the user exists."""

    units: UnitsOfWork
    accounts: Accounts
    clock: Clock

    async def __call__(self, *, caller: Caller, user_id: UUID) -> User:
        """Returns the user.

        Raises:
            EmailTaken: another user has the address.
            NotFound: there is no such registration, or the user was erased.
            Unavailable: auth-service could not be reached.
        """
        known = await self._find(user_id)
        if known is not None:
            return known
        registration = await self.accounts.registration(user_id)
        if registration is None:
            # A concurrent call may have admitted the user in the meantime.
            known = await self._find(user_id)
            if known is None:
                raise NotFound
            return known
        async with self.units.transaction() as unit:
            return await self._admit(unit, caller, user_id, registration)

    async def _find(self, user_id: UUID) -> User | None:
        async with self.units.statements() as unit:
            return await unit.users.find(user_id)

    async def _admit(
        self, unit: UnitOfWork, caller: Caller, user_id: UUID, registration: Registration
    ) -> User:
        now = self.clock.now()
        user = User(
            id=user_id,
            email=registration.email,
            full_name=registration.full_name,
            role=registration.role,
            is_active=registration.is_active,
            email_verified=registration.email_verified,
            version=1,
            created_at=registration.created_at or now,
            updated_at=now,
        )
        if not await unit.users.insert(user):
            known = await unit.users.find(user_id)
            if known is None:
                raise NotFound
            return known
        if await unit.email_changes.is_taken(user.email, user_id):
            raise EmailTaken  # Reserved: its former user may still have it restored.
        # Read after the insert, which waits for a concurrent erasure of the same user.
        if await unit.tombstones.find(user_id) is not None:
            raise NotFound
        await unit.outbox.user_changed(user_id)
        await announce(unit, None, user)
        await unit.outbox.audit(
            AuditEntry(action=Action.ADMIT, actor=caller, actor_id=user_id, subject_id=user_id)
        )
        return user


class CompleteRegistration(Component):
    """Handles the event of a registration, so that none stays half done after a crash."""

    admit_user: AdmitUser
    accounts: Accounts

    async def __call__(self, *, caller: Caller, user_id: UUID) -> None:
        """Admits the user, or has auth-service drop the registration when the address is taken.

        Raises:
            Unavailable: auth-service could not be reached; retry.
        """
        try:
            await self.admit_user(caller=caller, user_id=user_id)
        except EmailTaken:
            await self.accounts.refuse_registration(user_id)
        except NotFound:
            return

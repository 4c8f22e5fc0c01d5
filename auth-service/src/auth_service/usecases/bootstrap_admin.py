"""The first admin, once."""

from enum import Enum, auto
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.email_address import canonical_email
from chassis.identity.caller import Caller
from chassis.identity.role import Role

from auth_service.domain.audit import audited
from auth_service.domain.errors import EmailTaken
from auth_service.domain.events import EmailVerified
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.usecases.registration import Register

FULL_NAME = "Administrator"


class Bootstrap(Enum):
    """The result."""

    CREATED = auto()
    NOT_NEEDED = auto()
    ADDRESS_TAKEN = auto()


class BootstrapAdmin(Component):
    """Registers an admin if there is none. Of several instances, one succeeds.

    The operator has named the address, so it counts as verified.
    """

    units: UnitsOfWork
    register: Register
    clock: Clock

    async def __call__(self, *, email: str, password: str, user_id: UUID) -> Bootstrap:
        """Returns the result.

        Args:
            email: The admin's address.
            password: The admin's password.
            user_id: The admin's id, chosen by this instance and the same for every attempt: it shows which
                instance created the admin.

        Raises:
            Unavailable: user-service or Postgres is unreachable; try again.
        """
        caller = Caller(service="auth-service")
        if await self._has_admin():
            await self._vouch(email, caller)
            return Bootstrap.NOT_NEEDED
        try:
            made = await self.register(
                email=email,
                password=password,
                full_name=FULL_NAME,
                role=Role.ADMIN,
                email_verified=True,
                caller=caller,
                user_id=user_id,
            )
        except EmailTaken:
            return Bootstrap.NOT_NEEDED if await self._has_admin() else Bootstrap.ADDRESS_TAKEN
        return Bootstrap.CREATED if made.user_id == user_id else Bootstrap.NOT_NEEDED

    async def _vouch(self, email: str, caller: Caller) -> None:
        """Verifies the address of an admin who was created before addresses had to be verified."""
        async with self.units.transaction() as unit:
            found = await unit.credentials.by_email(canonical_email(email))
            known = None if found is None else await unit.credentials.lock(found.user_id)
            if known is None or known.role is not Role.ADMIN or known.is_pending:
                return
            if await unit.emails.verify(known.user_id):
                await unit.outbox.append(EmailVerified(known.user_id))
                entry = audited(caller, self.clock.now(), "auth.email_verified", subject_id=known.user_id)
                await unit.audit.append(entry)

    async def _has_admin(self) -> bool:
        async with self.units.statements() as unit:
            return await unit.credentials.has_admin()

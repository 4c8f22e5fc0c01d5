"""The first admin, once."""

from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from chassis.identity.caller import Caller

from auth_service.domain.credential import Role
from auth_service.domain.errors import EmailTaken
from auth_service.domain.stores import Database
from auth_service.usecases.register import Register

FULL_NAME = "Administrator"


class Bootstrap(Enum):
    """How it went."""

    CREATED = auto()
    NOT_NEEDED = auto()
    ADDRESS_TAKEN = auto()


@dataclass(frozen=True, slots=True)
class BootstrapAdmin:
    """Registers an admin as long as there is none. Instances may try at once; one succeeds."""

    database: Database
    register: Register

    async def __call__(self, *, email: str, password: str, user_id: UUID) -> Bootstrap:
        """Says how it went.

        Args:
            email: The admin's address.
            password: The admin's password.
            user_id: The id that this instance gives the admin, the same in every attempt: by it, of
                several instances, the one that made the admin knows.

        Raises:
            Unavailable: user-service or Postgres cannot be reached; try again.
        """
        if await self._has_admin():
            return Bootstrap.NOT_NEEDED
        caller = Caller(service="auth-service")
        try:
            made = await self.register(
                email=email,
                password=password,
                full_name=FULL_NAME,
                role=Role.ADMIN,
                caller=caller,
                user_id=user_id,
            )
        except EmailTaken:
            return Bootstrap.NOT_NEEDED if await self._has_admin() else Bootstrap.ADDRESS_TAKEN
        return Bootstrap.CREATED if made.user_id == user_id else Bootstrap.NOT_NEEDED

    async def _has_admin(self) -> bool:
        async with self.database.statements() as stores:
            return await stores.credentials.has_admin()

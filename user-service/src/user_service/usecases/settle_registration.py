"""Settling a registration that auth-service has announced: admitted, refused or long done."""

from dataclasses import dataclass
from uuid import UUID

from chassis.errors import NotFound
from chassis.identity.caller import Caller

from user_service.domain.errors import EmailTaken
from user_service.domain.ports import Accounts
from user_service.usecases.admit_user import AdmitUser


@dataclass(frozen=True, slots=True)
class SettleRegistration:
    """Sees to it that no registration is left half done, however often it is announced."""

    admit_user: AdmitUser
    accounts: Accounts

    async def __call__(self, caller: Caller, user_id: UUID) -> None:
        """Admits the person, or has the registration dropped when the address is taken.

        Raises:
            Unavailable: auth-service could not be asked; to be tried again.
        """
        try:
            await self.admit_user(caller, user_id)
        except EmailTaken:
            await self.accounts.refuse_registration(user_id)
        except NotFound:
            return

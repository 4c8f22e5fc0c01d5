"""Erasing oneself."""

from dataclasses import dataclass

from chassis.errors import Invalid
from chassis.identity.caller import Caller

from user_service.domain.audit import Action
from user_service.domain.ports import Accounts, UserReader
from user_service.usecases.delete_user import DeleteUser
from user_service.usecases.refusal import record_refusal
from user_service.usecases.standing import require_standing


@dataclass(frozen=True, slots=True)
class DeleteMe:
    """Erases the caller, who proves the password once more."""

    reader: UserReader
    accounts: Accounts
    delete_user: DeleteUser

    async def __call__(self, caller: Caller, password: str) -> None:
        """Erases the caller.

        Raises:
            Invalid: The password is wrong; the error is on that field.
            LastAdmin: Nobody would be left to administer.
            TokenRevoked: The caller was deactivated or erased since the token was issued.
            Unavailable: auth-service could not be asked, or not be told yet.
        """
        user = require_standing(await self.reader.find(caller.person()))
        if not await self.accounts.verify_password(user.id, password):
            refusal = Invalid.on("password", "is wrong")
            await record_refusal(self.delete_user.units, Action.DELETE, caller, user.id, refusal)
            raise refusal
        await self.delete_user(caller, user.id)

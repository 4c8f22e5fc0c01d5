"""Reading oneself."""

from dataclasses import dataclass

from chassis.identity.caller import Caller

from user_service.domain.ports import UserReader
from user_service.domain.user import User
from user_service.usecases.standing import require_standing


@dataclass(frozen=True, slots=True)
class GetMe:
    """Returns the caller."""

    reader: UserReader

    async def __call__(self, caller: Caller) -> User:
        """Returns the caller's person.

        Raises:
            TokenRevoked: The person was deactivated or erased since the token was issued.
        """
        return require_standing(await self.reader.find(caller.person()))

"""Reading a person: oneself freely, another as an admin and on the record."""

from dataclasses import dataclass
from uuid import UUID

from chassis.errors import NotFound
from chassis.identity.caller import Caller

from user_service.domain.audit import Action, entry
from user_service.domain.ports import UnitOfWork
from user_service.domain.user import User
from user_service.usecases.get_me import GetMe
from user_service.usecases.standing import require_admin


@dataclass(frozen=True, slots=True)
class GetUser:
    """Returns a person. That an admin read another's data is part of the audit trail."""

    units: UnitOfWork
    get_me: GetMe

    async def __call__(self, caller: Caller, user_id: UUID) -> User:
        """Returns the person; the transport has seen to it that the caller may ask.

        Raises:
            NotFound: There is no such person.
            TokenRevoked: The caller is not an admin any more.
        """
        if user_id == caller.user_id:
            return await self.get_me(caller)
        async with self.units() as unit:
            await require_admin(unit, caller)
            user = await unit.users.find(user_id)
            if user is None:
                raise NotFound
            await unit.events.audit(entry(Action.READ, caller, user_id))
        return user

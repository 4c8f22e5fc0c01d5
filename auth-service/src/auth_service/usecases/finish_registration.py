"""The second half of a registration: from pending to admitted."""

from dataclasses import dataclass
from uuid import UUID

from chassis.errors import NotFound
from chassis.identity.caller import Caller

from auth_service.domain.credential import Person
from auth_service.domain.errors import EmailTaken
from auth_service.domain.ports import UserDirectory
from auth_service.domain.stores import Database
from auth_service.usecases.refuse_registration import RefuseRegistration
from auth_service.usecases.welcome import welcome


@dataclass(frozen=True, slots=True)
class FinishRegistration:
    """Has user-service admit the person, then lets the credential count. May be repeated."""

    database: Database
    directory: UserDirectory
    refuse: RefuseRegistration

    async def __call__(self, *, user_id: UUID, caller: Caller) -> Person:
        """Returns the person.

        Raises:
            EmailTaken: somebody else has the address, and the registration is dropped.
            Unavailable: user-service cannot be asked now; it will be told.
        """
        try:
            person = await self.directory.admit(user_id)
        except (EmailTaken, NotFound) as error:
            await self.refuse(user_id=user_id, caller=caller)
            raise EmailTaken from error
        async with self.database.transaction() as stores:
            credential = await stores.credentials.lock(user_id)
            if await stores.credentials.activate(user_id) and credential is not None:
                await welcome(stores, credential, person)
        return person

"""What a registration says, for user-service to admit the person."""

from dataclasses import dataclass
from uuid import UUID

from chassis.errors import NotFound

from auth_service.domain.credential import Registration
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class GetRegistration:
    """Returns a registration that waits to be admitted."""

    database: Database

    async def __call__(self, *, user_id: UUID) -> Registration:
        """Returns it.

        Raises:
            NotFound: there is none, or it was admitted or refused.
        """
        async with self.database.statements() as stores:
            registration = await stores.credentials.pending(user_id)
        if registration is None:
            raise NotFound
        return registration

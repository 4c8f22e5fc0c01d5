"""Telling user-service that an address is verified: after the change, and again on its event."""

from dataclasses import dataclass
from uuid import UUID

from auth_service.domain.ports import UserDirectory
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class TellEmailVerified:
    """Tells what is so now; nothing when the address has changed since. May be repeated."""

    database: Database
    directory: UserDirectory

    async def __call__(self, *, user_id: UUID) -> None:
        """Returns when user-service knows.

        Raises:
            Unavailable: user-service cannot be told.
        """
        async with self.database.statements() as stores:
            email = await stores.emails.verified(user_id)
        if email is not None:
            await self.directory.mark_email_verified(user_id, email)

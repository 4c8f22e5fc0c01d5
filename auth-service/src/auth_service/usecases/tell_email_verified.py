"""Telling user-service that an address is verified: after the change, and again on its event."""

from dataclasses import dataclass
from uuid import UUID

from auth_service.domain.ports import UserDirectory
from auth_service.domain.stores import Database
from auth_service.usecases.undo_email_change import RestoreEmail


@dataclass(frozen=True, slots=True)
class TellEmailVerified:
    """Tells what is so now; nothing when the address has changed since. May be repeated."""

    database: Database
    directory: UserDirectory
    restore: RestoreEmail

    async def __call__(self, *, user_id: UUID) -> None:
        """Returns when user-service knows.

        Raises:
            EmailTaken: another user has an address that was restored.
            Unavailable: user-service cannot be told.
        """
        await self.restore(user_id=user_id)
        async with self.database.statements() as stores:
            email = await stores.emails.verified(user_id)
        if email is not None:
            await self.directory.mark_email_verified(user_id, email)

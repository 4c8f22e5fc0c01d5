"""The users whom documents belong to: which of them are erased."""

from typing import Protocol
from uuid import UUID


class OwnerRepository(Protocol):
    """The erased users, of whom nothing may be stored."""

    async def admit(self, user_id: UUID) -> bool:
        """Whether the user is not erased, and cannot be until the transaction ends."""
        ...

    async def erase(self, user_id: UUID) -> bool:
        """Records that a user is erased, after waiting for transactions that have admitted the user.

        Returns whether it was not recorded before.
        """
        ...


class UserDirectory(Protocol):
    """user-service, as far as it is needed here."""

    async def is_active(self, user_id: UUID) -> bool:
        """Whether the user exists and is not deactivated.

        Raises:
            Unavailable: user-service could not be reached.
        """
        ...

    async def is_erased(self, user_id: UUID) -> bool:
        """Whether the user was erased.

        Raises:
            Unavailable: user-service could not be reached.
        """
        ...

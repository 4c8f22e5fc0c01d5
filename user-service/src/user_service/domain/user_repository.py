"""The port to the stored users."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from user_service.domain.listing import Filter, Position, Sort
from user_service.domain.user import User


class UserRepository(Protocol):
    """The users. What locks or writes needs a transaction."""

    async def insert(self, user: User) -> bool:
        """Adds a user; returns False, and adds nothing, when the id exists already.

        Raises:
            EmailTaken: another user has the address.
        """
        ...

    async def find(self, user_id: UUID) -> User | None:
        """Returns a user as committed."""
        ...

    async def lock(self, user_id: UUID) -> User | None:
        """Returns a user, locked against changes by others until the transaction ends."""
        ...

    async def save(self, user: User) -> None:
        """Overwrites a locked user, except for the last sign-in.

        Raises:
            EmailTaken: another user has the address.
        """
        ...

    async def record_sign_in(self, user_id: UUID, signed_in_at: datetime) -> bool:
        """Moves the last sign-in forward; returns whether it moved."""
        ...

    async def is_last_active_admin(self, user_id: UUID) -> bool:
        """Whether no other user is an active admin.

        Until the transaction ends, every other one that asks waits, so the result stays true.
        """
        ...

    async def delete(self, user_id: UUID) -> None:
        """Removes a locked user's row."""
        ...

    async def page(
        self, which: Filter, sort: Sort, *, after: Position | None, offset: int, limit: int
    ) -> list[User]:
        """Returns users in order, after a position or from an offset, at most `limit`."""
        ...

    async def count(self, which: Filter) -> int:
        """Returns how many users match a filter."""
        ...

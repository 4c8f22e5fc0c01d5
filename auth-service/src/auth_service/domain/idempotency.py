"""Stored responses end with the tokens that they gave, and are erased with their user."""

from typing import Protocol
from uuid import UUID

from chassis.idempotency.record import IdempotencyRepository as Records


class IdempotencyRepository(Records, Protocol):
    """Stores one record per key, and ends what the responses gave."""

    async def expire(self, subject_id: UUID) -> None:
        """Deletes the responses that a user, a session or a key has got, in the transaction that ends it.

        The records stay, so that no request runs a second time.
        """
        ...

    async def expire_all(self, *, but: UUID) -> None:
        """Deletes the responses of all sessions but one."""
        ...

    async def erase(self, user_id: UUID) -> None:
        """Deletes a user's records, and that of the registration which made the user."""
        ...

"""Limits on changing an e-mail address, and the port that keeps count."""

from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

EMAIL_REQUESTS_MAX = 5
"""Requests for another address that a user may make within `EMAIL_REQUESTS_WINDOW`; each sends two mails."""

EMAIL_REQUESTS_WINDOW = timedelta(hours=1)

RESTORABLE = timedelta(days=8)
"""How long a former address stays reserved for its user: a day longer than the undo link in
auth-service's notice is valid."""


class EmailChangeRepository(Protocol):
    """Requests for other addresses, and reserved former addresses."""

    async def count_request(
        self, user_id: UUID, at: datetime, *, at_most: int, window: timedelta
    ) -> timedelta | None:
        """Counts a request of a locked user; returns how long to wait when there were too many."""
        ...

    async def is_taken(self, email: str, user_id: UUID) -> bool:
        """Whether another user has the address, or it is reserved for another user."""
        ...

    async def reserve(self, email: str, user_id: UUID, duration: timedelta) -> None:
        """Reserves a user's former address, so that no other user can take it."""
        ...

    async def release(self, user_id: UUID) -> None:
        """Ends all reservations for a user."""
        ...

"""What changing an address needs, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from chassis.email_address import canonical_email
from user_service.domain.user import User


@dataclass
class FakeEmailChanges:
    """Who asked when, and which addresses are kept, in dictionaries. Time stands still."""

    users: Mapping[UUID, User] = field(default_factory=dict)
    requests: dict[UUID, list[datetime]] = field(default_factory=dict)
    reserved: dict[str, UUID] = field(default_factory=dict)

    async def count_request(
        self, user_id: UUID, at: datetime, *, at_most: int, window: timedelta
    ) -> timedelta | None:
        """Counts a request of a locked user; returns how long to wait when there were too many."""
        recent = [asked_at for asked_at in self.requests.get(user_id, []) if asked_at > at - window]
        if len(recent) >= at_most:
            return recent[-at_most] + window - at
        self.requests[user_id] = [*recent, at]
        return None

    async def is_taken(self, email: str, user_id: UUID) -> bool:
        """Whether another user has the address, or may still have it restored."""
        address = canonical_email(email)
        others = [user for user in self.users.values() if user.id != user_id]
        held = any(canonical_email(other.email) == address for other in others)
        return held or self.reserved.get(address, user_id) != user_id

    async def reserve(self, email: str, user_id: UUID, duration: timedelta) -> None:
        """Keeps an address that a user has given up from everybody else."""
        self.reserved[canonical_email(email)] = user_id

    async def release(self, user_id: UUID) -> None:
        """Gives free what was kept for a user."""
        for address in [address for address, holder in self.reserved.items() if holder == user_id]:
            del self.reserved[address]

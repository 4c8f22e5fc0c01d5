"""The credentials that auth-service keeps for users, as user-service needs them."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.role import Role

from user_service.domain.export import AccountData, AuditPage


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration that auth-service has accepted and user-service has not admitted yet.

    Attributes:
        email_verified: Whether the operator vouches for the address.
        created_at: When an imported user was created in the other system; None for others.
        is_active: Whether the user may sign in.
    """

    email: str
    full_name: str
    role: Role
    email_verified: bool = False
    created_at: datetime | None = None
    is_active: bool = True


class Accounts(Protocol):
    """auth-service's accounts. Every method raises `Unavailable` when auth-service cannot be reached."""

    async def registration(self, user_id: UUID) -> Registration | None:
        """Returns a pending registration; None when there is none."""
        ...

    async def refuse_registration(self, user_id: UUID) -> None:
        """Drops a registration that cannot be admitted."""
        ...

    async def sync(self, user_id: UUID) -> None:
        """Makes the credential equal to the committed user; on failure the outbox retries it."""
        ...

    async def verify_password(self, user_id: UUID, password: str) -> bool:
        """Whether the password is the user's.

        Raises:
            RemoteError: too many wrong ones (TOO_MANY_ATTEMPTS).
        """
        ...

    async def export(self, user_id: UUID) -> AccountData:
        """Returns everything that auth-service holds about a user, except the audit chain.

        Raises:
            NotFound: no such user, or erased.
        """
        ...

    async def audit_events(self, user_id: UUID, below: int | None, page_size: int) -> AuditPage:
        """Returns audit entries by or about a user, newest first."""
        ...

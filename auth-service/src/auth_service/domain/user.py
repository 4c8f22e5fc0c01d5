"""A user's record, which user-service owns."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from auth_service.domain.audit_client import AuditClient


class Role(StrEnum):
    """What a user may do."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user as user-service answers: passed on, never kept."""

    user_id: UUID
    email: str
    full_name: str
    role: Role
    is_active: bool
    email_verified: bool
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None
    etag: str
    pending_email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserState:
    """What user-service says of a user now.

    Attributes:
        version: Counts the user's changes; a copy replaces only smaller versions.
        user: None once erased.
    """

    version: int
    user: User | None


class UserDirectory(Protocol):
    """user-service, which decides who there is."""

    async def admit(self, user_id: UUID) -> User:
        """Turns a registration into a user; answers the same when it is one already.

        Raises:
            EmailTaken: somebody has the address.
            NotFound: there is no such registration.
            Unavailable: user-service cannot be asked.
        """
        ...

    async def account(self, user_id: UUID) -> UserState | None:
        """Returns a user as they are now; None for an id that was never a user's.

        Raises:
            Unavailable: user-service cannot be asked.
        """
        ...

    async def audit_client(self, event_id: UUID) -> AuditClient | None:
        """Returns whom an audit event of user-service's came from; None once that is erased.

        Raises:
            Unavailable: user-service cannot be asked.
        """
        ...

    async def record_sign_in(self, user_id: UUID, at: datetime) -> bool:
        """Tells of a sign-in; says whether it was heard in a short time."""
        ...

    async def mark_email_verified(self, user_id: UUID, email: str) -> None:
        """Tells that an address was shown to be a user's.

        Raises:
            Unavailable: user-service cannot be told in a short time.
        """
        ...

    async def confirm_email(self, user_id: UUID, email: str) -> None:
        """Makes the pending address, which was proven, the user's.

        Raises:
            EmailTaken: another user has it by now.
            TokenInvalid: it is not pending any more.
            Unavailable: user-service cannot be asked, or is of a release that does not know how.
        """
        ...

    async def restore_email(self, user_id: UUID, email: str) -> None:
        """Gives a user an address back that they had, proven, with none pending.

        Raises:
            EmailTaken: another user has it by now.
            Unavailable: user-service cannot be asked.
        """
        ...

"""A user's record, which user-service owns."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.role import Role

from auth_service.domain.audit_client import AuditClients


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user's record as user-service returns it: passed on, never stored."""

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
    """The current version of a user's record.

    Attributes:
        version: Counts the user's changes; a copy replaces only smaller versions.
        user: None once erased.
    """

    version: int
    user: User | None


class UserDirectory(AuditClients, Protocol):
    """user-service, which owns the users' records."""

    async def admit(self, user_id: UUID) -> User:
        """Turns a registration into a user; idempotent.

        Raises:
            EmailTaken: another user has the address.
            NotFound: no such registration.
            Unavailable: user-service is unreachable.
        """
        ...

    async def account(self, user_id: UUID) -> UserState | None:
        """Returns a user's current record; None for an id that never was a user's.

        Raises:
            Unavailable: user-service is unreachable.
        """
        ...

    async def record_sign_in(self, user_id: UUID, at: datetime) -> bool:
        """Reports a sign-in; says whether user-service confirmed it within a short time."""
        ...

    async def mark_email_verified(self, user_id: UUID, email: str) -> None:
        """Reports that a user's address is verified.

        Raises:
            Unavailable: user-service does not confirm it within a short time.
        """
        ...

    async def confirm_email(self, user_id: UUID, email: str) -> None:
        """Makes the pending address, which was verified, the user's.

        Raises:
            EmailTaken: another user has it by now.
            TokenInvalid: it is not pending any more.
            Unavailable: user-service is unreachable, or of a release without this call.
        """
        ...

    async def restore_email(self, user_id: UUID, email: str) -> None:
        """Restores a user's former address, verified, with none pending.

        Raises:
            EmailTaken: another user has it by now.
            Unavailable: user-service is unreachable.
        """
        ...

"""A credential: what proves who a user is, and what auth-service copies of the user's record."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.role import Role

from auth_service.domain.user import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A user's password hash, with a copy of parts of the user's record.

    Attributes:
        user_id: The user.
        email: As typed; None after another user took the address over, until the new one is copied.
        password_hash: In PHC string format.
        role: As of `version`.
        is_active: Whether the user may sign in.
        is_pending: Whether user-service has not admitted the user yet.
        version: The version of the user's record that was copied; 0 before the first.
        second_factor: Whether signing in needs a second factor.
        email_verified: Whether the current address is verified.
        is_invited: Whether an admin invited the user, who has not chosen a password yet.
        is_imported: Whether the user comes from another system and is not admitted yet.
        accept_language: The languages that the user prefers, as in `Accept-Language`; empty when unknown.
    """

    user_id: UUID
    email: str | None
    password_hash: str
    role: Role
    is_active: bool = True
    is_pending: bool = False
    version: int = 0
    second_factor: bool = False
    email_verified: bool = False
    is_invited: bool = False
    is_imported: bool = False
    accept_language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A user who waits to be admitted by user-service.

    Attributes:
        email_verified: Whether the operator named the address, which then counts as verified.
        is_invited: Whether an admin invited the user, who chooses a password by mail.
        is_active: Whether the user may sign in.
        joined_at: When an imported user was created in the other system; None for others.
        accept_language: That of the user, or of the admin who invites; empty when unknown.
    """

    user_id: UUID
    email: str
    full_name: str
    role: Role
    email_verified: bool = False
    is_invited: bool = False
    is_active: bool = True
    joined_at: datetime | None = None
    accept_language: str = ""


class CredentialRepository(Protocol):
    """Stores one credential per user; canonical addresses are unique."""

    async def by_email(self, canonical: str) -> Credential | None:
        """Returns the credential with this canonical address."""
        ...

    async def by_id(self, user_id: UUID) -> Credential | None:
        """Returns a user's credential."""
        ...

    async def lock(self, user_id: UUID) -> Credential | None:
        """Returns a user's credential, locked against changes and sign-ins of other transactions."""
        ...

    async def add_pending(self, registration: Registration, password_hash: str) -> None:
        """Stores a registration until it is admitted or dropped.

        Raises:
            EmailTaken: another credential has the address.
        """
        ...

    async def pending(self, user_id: UUID) -> Registration | None:
        """Returns a registration that waits to be admitted."""
        ...

    async def pending_before(self, before: datetime, limit: int) -> Sequence[UUID]:
        """Returns the users whose registrations are older than that and still wait, the oldest first."""
        ...

    async def drop_pending(self, user_id: UUID) -> bool:
        """Drops a registration; says whether there was one."""
        ...

    async def activate(self, user_id: UUID) -> bool:
        """Turns a registration into a credential; says whether there was one."""
        ...

    async def release_email(self, canonical: str, keeper: UUID) -> UUID | None:
        """Takes the address from every user but `keeper`: drops a registration, clears a copy.

        Returns:
            The user whose copy was cleared.
        """
        ...

    async def copy(self, user: User, version: int) -> None:
        """Copies the user's record into the credential, and activates it if it was pending.

        Raises:
            EmailTaken: another credential has the address.
        """
        ...

    async def rehash(self, user_id: UUID, old_hash: str, new_hash: str) -> None:
        """Stores another hash of the same password, if the old one is still there."""
        ...

    async def replace_hash(self, user_id: UUID, old_hash: str, new_hash: str) -> bool:
        """Stores a new password's hash if the old one is still there; says whether it was."""
        ...

    async def password_changed_since(self, user_id: UUID, at: datetime) -> bool:
        """Whether a user chose another password after that time."""
        ...

    async def note_language(self, user_id: UUID, accept_language: str) -> None:
        """Stores the languages that a user prefers."""
        ...

    async def erase(self, user_id: UUID) -> None:
        """Deletes a user's credential and all that refers to it."""
        ...

    async def has_admin(self) -> bool:
        """Whether an admitted, active admin exists."""
        ...

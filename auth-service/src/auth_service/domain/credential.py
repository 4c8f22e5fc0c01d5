"""A credential: what proves who a user is, and what auth-service copies of the user's record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from auth_service.domain.user import Role, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One user's password, with the copy of what user-service says of the user.

    Attributes:
        user_id: The user.
        email: As typed; None while an address taken over by somebody else awaits its
            successor.
        password_hash: In PHC string format.
        role: As of `version`.
        is_active: Whether the user may sign in.
        is_pending: Whether user-service has yet to admit the user.
        version: The version of the user that was copied; 0 before the first.
        second_factor: Whether the password alone does not open a session.
        email_verified: Whether the present address is proven to be the user's.
        is_invited: Whether an admin made the user, who has yet to choose a password.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Somebody who asks to be admitted.

    Attributes:
        email_verified: Whether the operator vouches for the address.
        is_invited: Whether an admin makes the user, who is to choose a password by mail.
    """

    user_id: UUID
    email: str
    full_name: str
    role: Role
    email_verified: bool = False
    is_invited: bool = False


class CredentialRepository(Protocol):
    """Keeps one credential a user; canonical addresses are unique."""

    async def by_email(self, canonical: str) -> Credential | None:
        """Returns the credential with this canonical address."""
        ...

    async def by_id(self, user_id: UUID) -> Credential | None:
        """Returns a user's credential."""
        ...

    async def lock(self, user_id: UUID) -> Credential | None:
        """Returns a user's credential and keeps everybody else from changing or using it."""
        ...

    async def add_pending(self, registration: Registration, password_hash: str) -> None:
        """Keeps a registration until it is admitted or dropped.

        Raises:
            EmailTaken: another credential has the address.
        """
        ...

    async def pending(self, user_id: UUID) -> Registration | None:
        """Returns a registration that waits to be admitted."""
        ...

    async def pending_before(self, before: datetime, limit: int) -> Sequence[UUID]:
        """Returns the users whose registrations wait since before that time, the oldest first."""
        ...

    async def drop_pending(self, user_id: UUID) -> bool:
        """Drops a registration; says whether there was one."""
        ...

    async def activate(self, user_id: UUID) -> bool:
        """Turns a registration into a credential; says whether there was one."""
        ...

    async def release_email(self, canonical: str, keeper: UUID) -> UUID | None:
        """Takes the address from whoever holds it but `keeper`: drops a registration, empties a copy.

        Returns:
            The user whose copy has been emptied.
        """
        ...

    async def copy(self, user: User, version: int) -> None:
        """Makes the credential equal to the user, and active if it was pending.

        Raises:
            EmailTaken: another credential has the address.
        """
        ...

    async def replace_hash(self, user_id: UUID, old_hash: str, new_hash: str) -> bool:
        """Exchanges the password's hash if it is still the old one."""
        ...

    async def erase(self, user_id: UUID) -> None:
        """Deletes a user's credential with everything that hangs on it."""
        ...

    async def has_admin(self) -> bool:
        """Whether an admitted, active admin exists."""
        ...

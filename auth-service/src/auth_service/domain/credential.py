"""A credential: how one person proves who they are, and what auth-service copies of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What a person may do."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One person's password, with the copy of what user-service says of the person.

    Attributes:
        user_id: The person.
        email: As typed; None while an address taken over by somebody else awaits its
            successor.
        password_hash: In PHC string format.
        role: As of `version`.
        is_active: Whether the person may sign in.
        is_pending: Whether user-service has yet to admit the person.
        version: The version of the person that was copied; 0 before the first.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person as user-service answers: passed on, never kept."""

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
class Account:
    """What user-service says of a person now.

    Attributes:
        version: Counts the person's changes; a copy replaces only smaller versions.
        person: None once erased.
    """

    version: int
    person: Person | None

"""A person, and what may change about one."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What a person may do."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """A person.

    Attributes:
        id: UUIDv7, given by auth-service at the registration.
        email: As typed.
        version: Counts changes from 1; a sign-in is not one.
        updated_at: When anything but the last sign-in changed.
        last_login_at: None before the first sign-in.
    """

    id: UUID
    email: str
    full_name: str
    role: Role
    is_active: bool
    email_verified: bool
    version: int
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None = None

    @property
    def is_active_admin(self) -> bool:
        """Whether the person administers the platform now."""
        return self.is_active and self.role is Role.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What somebody asks to change about a person; None leaves a field as it is."""

    full_name: str | None = None
    email: str | None = None
    role: Role | None = None
    is_active: bool | None = None

    @property
    def concern_credential(self) -> bool:
        """Whether auth-service keeps a copy of anything that is asked for."""
        return not (self.email is None and self.role is None and self.is_active is None)


FIELDS = ("full_name", "email", "role", "is_active")


def change(user: User, changes: Changes, now: datetime) -> User:
    """Returns the person as asked for: the same object when everything is so already.

    A new e-mail address is unverified.
    """
    fields = changed_fields(user, changes)
    if not fields:
        return user
    return replace(
        user,
        **{field: getattr(changes, field) for field in fields},
        email_verified=user.email_verified and "email" not in fields,
        version=user.version + 1,
        updated_at=max(now, user.updated_at),
    )


def verify(user: User, email: str, now: datetime) -> User:
    """Returns the person with the address verified: the same object for another address, or again."""
    if user.email_verified or user.email != email:
        return user
    return replace(user, email_verified=True, version=user.version + 1, updated_at=max(now, user.updated_at))


def changed_fields(user: User, changes: Changes) -> tuple[str, ...]:
    """Returns the names of the fields that the changes would alter."""
    return tuple(field for field in FIELDS if getattr(changes, field) not in (None, getattr(user, field)))


@dataclass(frozen=True, slots=True)
class Registration:
    """What auth-service knows of somebody who waits to be admitted.

    Attributes:
        email_verified: Whether the operator vouches for the address.
    """

    email: str
    full_name: str
    role: Role
    email_verified: bool = False


@dataclass(frozen=True, slots=True)
class Tombstone:
    """All that remains of an erased person: that there was one.

    Attributes:
        version: Greater than any that the person had.
    """

    user_id: UUID
    version: int
    erased_at: datetime

"""A person, and what may change about one."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.errors import Invalid

EMAIL_REQUESTS_MAX = 5
"""How often a user may ask for another address within `EMAIL_REQUESTS_WINDOW`: each time is two mails."""

EMAIL_REQUESTS_WINDOW = timedelta(hours=1)

RESTORABLE = timedelta(days=8)
"""How long an address that was given up is kept for its former user: a day longer than the link in
auth-service's notice counts."""


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
        pending_email: The address that is asked for, as typed, until it is proven. It may be
            another user's: whoever proves it first gets it.
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
    pending_email: str | None = None

    @property
    def is_active_admin(self) -> bool:
        """Whether the person administers the platform now."""
        return self.is_active and self.role is Role.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What somebody asks to change about a person; None leaves a field as it is.

    Attributes:
        email: Becomes pending until it is proven; the present address takes back what is pending.
        email_verified: True: an admin vouches for `email`, or without it for the present address,
            and it counts at once. False asks for nothing, and cannot take back what is proven.
    """

    full_name: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    role: Role | None = None
    is_active: bool | None = None

    @property
    def concern_credential(self) -> bool:
        """Whether auth-service keeps a copy of anything that is asked for."""
        asked = (self.email, self.email_verified, self.role, self.is_active)
        return any(each is not None for each in asked)


PLAIN_FIELDS = ("full_name", "role", "is_active")
"""Fields that become what is asked for."""

FIELDS = ("full_name", "email", "pending_email", "email_verified", "role", "is_active")


def change(user: User, changes: Changes, now: datetime) -> User:
    """Returns the person as asked for: the same object when everything is so already.

    Raises:
        Invalid: a proven address is to be unproven, which nobody can ask for.
    """
    if changes.email_verified is False and user.email_verified and changes.email in (None, user.email):
        raise Invalid.on("email_verified", "cannot be taken back: the address is proven")
    wanted = {name: getattr(changes, name) for name in PLAIN_FIELDS}
    altered = {name: value for name, value in wanted.items() if value is not None}
    altered |= _address(user, changes)
    if changes.is_active is False:
        altered["pending_email"] = None
    return _altered(user, altered, now)


def _address(user: User, changes: Changes) -> dict[str, object]:
    vouched: dict[str, object] = {"email_verified": True} if changes.email_verified else {}
    if changes.email is None:
        return vouched
    if changes.email == user.email:
        return {"pending_email": None, **vouched}
    if changes.email_verified:
        return {"email": changes.email, "pending_email": None, **vouched}
    return {"pending_email": changes.email}


def verify(user: User, email: str, now: datetime) -> User:
    """Returns the user with the proven address: the same object for another address, or again.

    Proving the pending address makes it the address, unless the user is deactivated.
    """
    if email == user.email:
        return _altered(user, {"email_verified": True}, now)
    if email == user.pending_email and user.is_active:
        return restore(user, email, now)
    return user


def restore(user: User, email: str, now: datetime) -> User:
    """Returns the user with a proven address and none pending: the same object when it is so already."""
    return _altered(user, {"email": email, "email_verified": True, "pending_email": None}, now)


def changed_fields(before: User, after: User) -> tuple[str, ...]:
    """Returns the names of the fields in which two versions of a user differ."""
    return tuple(name for name in FIELDS if getattr(before, name) != getattr(after, name))


def _altered(user: User, values: dict[str, object], now: datetime) -> User:
    altered: dict[str, Any] = {name: value for name, value in values.items() if value != getattr(user, name)}
    if not altered:
        return user
    return replace(user, **altered, version=user.version + 1, updated_at=max(now, user.updated_at))


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

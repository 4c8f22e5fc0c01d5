"""The user: entity, and rules for changing one."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.errors import Invalid
from chassis.identity.role import Role


@dataclass(frozen=True, slots=True)
class User:
    """A user.

    Attributes:
        id: UUIDv7, assigned by auth-service at registration.
        email: As typed.
        version: Counts changes from 1; sign-ins do not count.
        updated_at: Time of the last change, sign-ins excluded.
        last_login_at: None before the first sign-in.
        pending_email: The requested address, as typed, until it is verified. Another user may have
            requested it too; the first to verify it gets it.
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
        """Whether the user has admin rights now."""
        return self.is_active and self.role is Role.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The requested changes to a user; None leaves a field as it is.

    Attributes:
        email: Becomes pending until verified; sending the current address cancels a pending one.
        email_verified: True: an admin vouches for `email`, or without it for the current address,
            and it takes effect at once. False requests nothing and cannot undo a verification.
    """

    full_name: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    role: Role | None = None
    is_active: bool | None = None

    @property
    def concern_credential(self) -> bool:
        """Whether auth-service keeps a copy of any of the fields."""
        copied = (self.email, self.email_verified, self.role, self.is_active)
        return any(each is not None for each in copied)


PLAIN_FIELDS = ("full_name", "role", "is_active")
"""Fields that simply take the requested value."""

FIELDS = ("full_name", "email", "pending_email", "email_verified", "role", "is_active")


def change(user: User, changes: Changes, now: datetime) -> User:
    """Returns the user with the changes; the same object when nothing changes.

    Raises:
        Invalid: a verified address cannot become unverified.
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
    """Returns the user after an address was verified; the same object when nothing changes.

    Verifying the pending address makes it the current one, unless the user is deactivated. Any
    address but these two is ignored.
    """
    if email == user.email:
        return _altered(user, {"email_verified": True}, now)
    if email == user.pending_email and user.is_active:
        return restore(user, email, now)
    return user


def restore(user: User, email: str, now: datetime) -> User:
    """Returns the user with a verified address and none pending; the same object when nothing changes."""
    return _altered(user, {"email": email, "email_verified": True, "pending_email": None}, now)


def changed_fields(before: User, after: User) -> tuple[str, ...]:
    """Returns the names of the fields in which two versions of a user differ."""
    return tuple(name for name in FIELDS if getattr(before, name) != getattr(after, name))


def _altered(user: User, values: dict[str, object], now: datetime) -> User:
    altered: dict[str, Any] = {name: value for name, value in values.items() if value != getattr(user, name)}
    if not altered:
        return user
    return replace(user, **altered, version=user.version + 1, updated_at=max(now, user.updated_at))

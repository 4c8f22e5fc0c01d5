"""Lists of users: filter, order, positions and pages."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.email_address import canonical_email
from chassis.identity.role import Role
from chassis.text import fold

from user_service.domain.folding import sort_key
from user_service.domain.user import User


class Sort(StrEnum):
    """The order of a list; ties are broken by id."""

    CREATED_AT = "created_at"
    CREATED_AT_DESCENDING = "-created_at"
    EMAIL = "email"
    FULL_NAME = "full_name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which users to list; None does not filter.

    Attributes:
        search: Part of an e-mail address or name, case-insensitive.
    """

    search: str | None = None
    role: Role | None = None
    is_active: bool | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """A row's place in a list, also after the row is gone.

    Attributes:
        key: Its sort key: a time, or folded text.
        user_id: Breaks ties.
    """

    key: datetime | str
    user_id: UUID


def position(user: User, sort: Sort) -> Position:
    """Returns the place of a user in a list of that order."""
    match sort:
        case Sort.EMAIL:
            return Position(sort_key(canonical_email(user.email)), user.id)
        case Sort.FULL_NAME:
            return Position(sort_key(fold(user.full_name)), user.id)
        case _:
            return Position(user.created_at, user.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list."""

    users: Sequence[User]
    total_items: int
    has_next: bool

"""Lists of users: filter, order, pages and cursors."""

from datetime import datetime
from enum import StrEnum
from math import ceil
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The last row of a page; the next page begins after it, even if rows were added or removed since.

    Attributes:
        sort: The order of the list.
        key: The row's sort key: a time, or folded text.
        user_id: Breaks ties.
        page: Number of the page that ended with the row.
    """

    sort: Sort
    key: datetime | str
    user_id: UUID
    page: int


def cursor_after(user: User, sort: Sort, page: int) -> Cursor:
    """Returns the cursor of a page that ends with the user."""
    key: datetime | str
    match sort:
        case Sort.EMAIL:
            key = sort_key(canonical_email(user.email))
        case Sort.FULL_NAME:
            key = sort_key(fold(user.full_name))
        case _:
            key = user.created_at
    return Cursor(sort=sort, key=key, user_id=user.id, page=page)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list."""

    users: tuple[User, ...]
    which: Filter
    number: int
    size: int
    total_items: int
    next_cursor: Cursor | None

    @property
    def total_pages(self) -> int:
        """Number of pages in the list."""
        return ceil(self.total_items / self.size)

    @property
    def has_next(self) -> bool:
        """Whether a page follows."""
        return self.next_cursor is not None

    @property
    def has_prev(self) -> bool:
        """Whether a page precedes this one."""
        return self.number > 1

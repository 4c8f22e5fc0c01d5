"""Listing people, on the record."""

from dataclasses import dataclass

from chassis.identity.caller import Caller

from user_service.domain.audit import Action, entry
from user_service.domain.listing import Cursor, Filter, Page, Sort, cursor_behind
from user_service.domain.ports import UnitOfWork
from user_service.usecases.standing import require_admin


@dataclass(frozen=True, slots=True)
class ListUsers:
    """Returns one page of the people whom a filter lets through."""

    units: UnitOfWork

    async def __call__(
        self,
        caller: Caller,
        which: Filter,
        sort: Sort,
        *,
        page: int,
        page_size: int,
        cursor: Cursor | None = None,
    ) -> Page:
        """Returns the page behind the cursor, or else the one with the number.

        Args:
            caller: An admin.
            which: Whom to list.
            sort: In which order.
            page: Number of the page, from 1.
            page_size: Rows a page.
            cursor: Wins over the number; it was made for the same order.

        Raises:
            TokenRevoked: The caller is not an admin any more.
        """
        number = page if cursor is None else cursor.page + 1
        offset = (page - 1) * page_size if cursor is None else 0
        async with self.units() as unit:
            await require_admin(unit, caller)
            total_items = await unit.users.count(which)
            # One row more than asked for tells whether a page follows.
            rows = await unit.users.page(which, sort, behind=cursor, offset=offset, limit=page_size + 1)
            users = tuple(rows[:page_size])
            details = {"rows": str(len(users)), "searched": str(bool(which.search)).lower()}
            await unit.events.audit(entry(Action.LIST, caller, details=details))
        return Page(
            users=users,
            number=number,
            size=page_size,
            total_items=total_items,
            next_cursor=cursor_behind(users[-1], sort, number) if len(rows) > page_size else None,
        )

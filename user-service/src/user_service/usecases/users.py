"""Reading users, and recording their sign-ins."""

from datetime import datetime
from uuid import UUID

from chassis.component import Component
from chassis.errors import NotFound
from chassis.identity.caller import Caller

from user_service.domain.audit import Action, entry
from user_service.domain.listing import Filter, Page, Position, Sort
from user_service.domain.tombstone import Tombstone
from user_service.domain.unit_of_work import StaleCopies, UnitsOfWork
from user_service.domain.user import User
from user_service.usecases.callers import require_active, require_admin


class GetMe(Component):
    """Returns the caller's user."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller) -> User:
        """Returns the user.

        Raises:
            TokenRevoked: the user was deactivated or erased since the token was issued.
        """
        async with self.units.statements() as unit:
            return require_active(await unit.users.find(caller.require_user_id()))


class GetUser(Component):
    """Returns a user by id. That an admin read another user's data is audited."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller, user_id: UUID) -> User:
        """Returns the user.

        Args:
            caller: An admin, or the user; the transport has checked that.
            user_id: Whom to read.

        Raises:
            NotFound: no such user.
            TokenRevoked: the caller is no longer an active admin.
        """
        if user_id == caller.user_id:
            async with self.units.statements() as unit:
                return require_active(await unit.users.find(user_id))
        async with self.units.transaction() as unit:
            await require_admin(unit, caller)
            user = await unit.users.find(user_id)
            if user is None:
                raise NotFound
            await unit.outbox.audit(entry(Action.READ, caller, user_id))
        return user


class ListUsers(Component):
    """Lists users, page by page. Listing is audited."""

    units: UnitsOfWork

    async def __call__(
        self,
        *,
        caller: Caller,
        which: Filter,
        sort: Sort,
        after: Position | None,
        offset: int,
        size: int,
    ) -> Page:
        """Returns one page.

        Args:
            caller: An admin.
            which: Which users to list.
            sort: The order.
            after: Begin after this position in that order; None begins with the first.
            offset: Rows to leave out first.
            size: Rows per page.

        Raises:
            TokenRevoked: the caller is no longer an active admin.
        """
        async with self.units.transaction() as unit:
            await require_admin(unit, caller)
            total_items = await unit.users.count(which)
            # One row more than the page shows whether another page follows.
            rows = await unit.users.page(which, sort, after=after, offset=offset, limit=size + 1)
            users = rows[:size]
            details = {"rows": str(len(users)), "searched": str(bool(which.search)).lower()}
            await unit.outbox.audit(entry(Action.LIST, caller, details=details))
        return Page(users=users, total_items=total_items, has_next=len(rows) > size)


class GetAccount(Component):
    """Returns to auth-service what it copies of a user."""

    units: UnitsOfWork

    async def __call__(self, *, user_id: UUID) -> User | Tombstone:
        """Returns the user as committed, or the tombstone of an erased one.

        Raises:
            NotFound: the id was never a user's.
        """
        async with self.units.statements() as unit:
            found = await unit.users.find(user_id) or await unit.tombstones.find(user_id)
        if found is None:
            raise NotFound
        return found


class RecordSignIn(Component):
    """Records a sign-in: called by auth-service, and again for its event."""

    units: UnitsOfWork
    stale_copies: StaleCopies

    async def __call__(self, *, user_id: UUID, signed_in_at: datetime) -> None:
        """Moves the last sign-in forward, never back; an erased user is ignored."""
        async with self.units.statements() as unit:
            has_moved = await unit.users.record_sign_in(user_id, signed_in_at)
        if has_moved:
            self.stale_copies.note(user_id)

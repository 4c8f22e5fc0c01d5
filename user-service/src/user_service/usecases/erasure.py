"""Erasing users."""

from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import Invalid, NotFound
from chassis.identity.caller import Caller

from user_service.domain.accounts import Accounts
from user_service.domain.announcements import announce_erased
from user_service.domain.audit import Action, entry
from user_service.domain.errors import LastAdmin
from user_service.domain.etag import require_version
from user_service.domain.last_admin import require_another_admin
from user_service.domain.tombstone import Tombstone
from user_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from user_service.usecases.audit import record_refusal
from user_service.usecases.callers import require_active, require_admin


class DeleteUser(Component):
    """Erases a user; a tombstone without personal data remains.

    The outbox completes the erasure in every case once it is committed. The call succeeds only when
    auth-service has erased the credential and ended the sessions.
    """

    units: UnitsOfWork
    accounts: Accounts
    clock: Clock

    async def __call__(self, *, caller: Caller, user_id: UUID, if_match: str | None = None) -> None:
        """Erases the user.

        Args:
            caller: An admin, or the user.
            user_id: The user to erase.
            if_match: Erase only a version that this value of `If-Match` names.

        Raises:
            NotFound: no such user, or erased before.
            VersionConflict: the user has another version.
            LastAdmin: no active admin would remain.
            TokenRevoked: the caller is no longer what the token says.
            Unavailable: committed, but auth-service could not be reached.
        """
        try:
            async with self.units.transaction() as unit:
                erased_before = not await self._erase(unit, caller, user_id, if_match)
        except LastAdmin as refusal:
            await record_refusal(self.units, Action.DELETE, caller, user_id, refusal)
            raise
        # On a repeat as well: the first call may have failed before auth-service was reached.
        await self.accounts.sync(user_id)
        if erased_before:
            raise NotFound

    async def _erase(self, unit: UnitOfWork, caller: Caller, user_id: UUID, if_match: str | None) -> bool:
        """Returns False when the user was erased before."""
        user = await unit.users.lock(user_id)
        if user_id != caller.user_id:
            await require_admin(unit, caller)
        if user is None:
            if await unit.tombstones.find(user_id) is None:
                raise NotFound
            return False
        require_version(user, if_match)
        await require_another_admin(unit.users, user, None)
        await unit.users.delete(user_id)
        await unit.idempotency.erase(user_id)
        await unit.tombstones.insert(Tombstone(user_id, user.version + 1, self.clock.now()))
        await unit.outbox.user_changed(user_id)
        await announce_erased(unit, user, self.clock.now())
        await unit.outbox.audit(entry(Action.DELETE, caller, user_id))
        return True


class DeleteMe(Component):
    """Erases the caller's user after checking the password."""

    units: UnitsOfWork
    accounts: Accounts
    delete_user: DeleteUser

    async def __call__(self, *, caller: Caller, password: str, if_match: str | None = None) -> None:
        """Erases the user.

        Args:
            caller: The user.
            password: The user's password.
            if_match: Erase only a version that this value of `If-Match` names.

        Raises:
            Invalid: the password is wrong; the error is on that field.
            VersionConflict: the user has another version.
            LastAdmin: no active admin would remain.
            TokenRevoked: the user was deactivated or erased since the token was issued.
            Unavailable: auth-service could not be reached, before or after the commit.
        """
        async with self.units.statements() as unit:
            user = require_active(await unit.users.find(caller.require_user_id()))
        if not await self.accounts.verify_password(user.id, password):
            refusal = Invalid.on("password", "is not your password")
            await record_refusal(self.units, Action.DELETE, caller, user.id, refusal)
            raise refusal
        await self.delete_user(caller=caller, user_id=user.id, if_match=if_match)

"""Changing users."""

from math import ceil
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import NotFound
from chassis.identity.caller import Caller

from user_service.domain.accounts import Accounts
from user_service.domain.audit import Action, entries_of_change
from user_service.domain.email_change import EMAIL_REQUESTS_MAX, EMAIL_REQUESTS_WINDOW
from user_service.domain.errors import REFUSALS, EmailTaken, RateLimited
from user_service.domain.etag import require_version
from user_service.domain.last_admin import require_another_admin
from user_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from user_service.domain.user import Changes, User, change, changed_fields
from user_service.usecases.audit import record_refusal
from user_service.usecases.callers import require_active, require_admin
from user_service.usecases.email_addresses import save_with_address


class UpdateUser(Component):
    """Changes a user, and has auth-service update its copy.

    The change commits together with its events, so that the outbox completes it in every case. The
    call succeeds only when auth-service has updated its copy.
    """

    units: UnitsOfWork
    accounts: Accounts
    clock: Clock

    async def __call__(
        self, *, caller: Caller, user_id: UUID, changes: Changes, if_match: str | None = None
    ) -> User:
        """Returns the changed user; a repeat changes nothing more.

        Args:
            caller: An admin, or the user.
            user_id: The user to change.
            changes: What to change.
            if_match: Change only a version that this value of `If-Match` names.

        Raises:
            NotFound: no such user.
            Invalid: a verified address cannot become unverified.
            EmailTaken: another user has the address; raised for admins only.
            LastAdmin: no active admin would remain.
            RateLimited: the caller has requested other addresses too often.
            VersionConflict: the user has another version.
            TokenRevoked: the caller is no longer what the token says.
            Unavailable: committed, but auth-service could not be reached.
        """
        try:
            async with self.units.transaction() as unit:
                user = await self._change(unit, caller, user_id, changes, if_match)
        except REFUSALS as refusal:
            await record_refusal(self.units, Action.UPDATE, caller, user_id, refusal)
            raise
        if changes.concern_credential:
            # Also when nothing changed: this may be the retry of a call that failed here.
            await self.accounts.sync(user_id)
        return user

    async def _change(
        self, unit: UnitOfWork, caller: Caller, user_id: UUID, changes: Changes, if_match: str | None
    ) -> User:
        before = await unit.users.lock(user_id)
        if user_id == caller.user_id:
            require_active(before)
        else:
            await require_admin(unit, caller)
        if before is None:
            raise NotFound
        require_version(before, if_match)
        after = change(before, changes, self.clock.now())
        if after is before:
            return before
        if after.pending_email not in (None, before.pending_email):
            await self._require_request(unit, caller, after)
        await require_another_admin(unit.users, before, after)
        await save_with_address(unit, before, after)
        for entry in entries_of_change(caller, before, after, changed_fields(before, after)):
            await unit.outbox.audit(entry)
        return after

    async def _require_request(self, unit: UnitOfWork, caller: Caller, after: User) -> None:
        """Checks that the pending address may be requested.

        A user never learns that it is taken; its owner is notified by mail.
        """
        if after.id == caller.user_id:
            now = self.clock.now()
            wait = await unit.email_changes.count_request(
                after.id, now, at_most=EMAIL_REQUESTS_MAX, window=EMAIL_REQUESTS_WINDOW
            )
            if wait is not None:
                raise RateLimited(retry_after_seconds=max(1.0, ceil(wait.total_seconds())))
        elif await unit.email_changes.is_taken(after.pending_email or "", after.id):
            raise EmailTaken


class UpdateMe(Component):
    """Changes the name or e-mail address of the caller's user."""

    update_user: UpdateUser

    async def __call__(
        self, *, caller: Caller, full_name: str | None, email: str | None, if_match: str | None = None
    ) -> User:
        """Returns the changed user.

        Raises:
            RateLimited: other addresses were requested too often.
            VersionConflict: the user has another version.
            TokenRevoked: the user was deactivated or erased since the token was issued.
            Unavailable: committed, but auth-service could not be reached.
        """
        changes = Changes(full_name=full_name, email=email)
        return await self.update_user(
            caller=caller, user_id=caller.require_user_id(), changes=changes, if_match=if_match
        )

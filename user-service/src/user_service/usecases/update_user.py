"""Changing a person: as an admin anyone, as oneself what is one's own."""

from dataclasses import dataclass
from math import ceil
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import NotFound
from chassis.identity.caller import Caller

from user_service.domain import etag
from user_service.domain.audit import Action, entries_of_change
from user_service.domain.errors import (
    REFUSALS,
    EmailTaken,
    LastAdmin,
    RateLimited,
    VersionConflict,
)
from user_service.domain.ports import Accounts, Unit, UnitOfWork
from user_service.domain.user import (
    EMAIL_REQUESTS_MAX,
    EMAIL_REQUESTS_WINDOW,
    Changes,
    User,
    change,
    changed_fields,
)
from user_service.usecases.mark_email_verified import take_over
from user_service.usecases.refusal import record_refusal
from user_service.usecases.standing import require_admin, require_standing


@dataclass(frozen=True, slots=True)
class UpdateUser:
    """Changes a person and tells auth-service what it keeps a copy of.

    The change commits together with its events, so it is completed whatever happens next;
    it is acknowledged only once auth-service is in step.
    """

    units: UnitOfWork
    accounts: Accounts
    clock: Clock

    async def __call__(
        self, caller: Caller, user_id: UUID, changes: Changes, if_match: str | None = None
    ) -> User:
        """Returns the person as changed; asking again for the same changes nothing more.

        Args:
            caller: An admin, or the person.
            user_id: Whom to change.
            changes: What to change.
            if_match: Change only the version that this value of `If-Match` names.

        Raises:
            NotFound: There is no such person.
            Invalid: A proven address is to be unproven.
            EmailTaken: Another person has the address; only admins are told.
            LastAdmin: Nobody would be left to administer.
            RateLimited: The caller has asked for other addresses too often.
            VersionConflict: The person has another version by now.
            TokenRevoked: The caller is not what the token says any more.
            Unavailable: It is committed, but auth-service could not be told yet.
        """
        try:
            async with self.units() as unit:
                user = await self._change(unit, caller, user_id, changes, if_match)
        except REFUSALS as refusal:
            await record_refusal(self.units, Action.UPDATE, caller, user_id, refusal)
            raise
        if changes.concern_credential:
            # Also when nothing changed: a repeat of what could not be acknowledged ends here.
            await self.accounts.sync(user_id)
        return user

    async def _change(
        self, unit: Unit, caller: Caller, user_id: UUID, changes: Changes, if_match: str | None
    ) -> User:
        before = await unit.users.lock(user_id)
        if user_id == caller.user_id:
            require_standing(before)
        else:
            await require_admin(unit, caller)
        if before is None:
            raise NotFound
        if if_match is not None and not etag.matches(if_match, before):
            raise VersionConflict
        after = change(before, changes, self.clock.now())
        if after is before:
            return before
        if after.pending_email not in (None, before.pending_email):
            await self._require_request(unit, caller, after)
        if before.is_active_admin and not after.is_active_admin:
            await require_another_admin(unit, user_id)
        await take_over(unit, before, after)
        for entry in entries_of_change(caller, before, after, changed_fields(before, after)):
            await unit.events.audit(entry)
        return after

    async def _require_request(self, unit: Unit, caller: Caller, after: User) -> None:
        """Makes sure that the pending address may be asked for.

        Users learn nothing of whether it is taken, now or later: its owner is told by mail.
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


async def require_another_admin(unit: Unit, user_id: UUID) -> None:
    """Makes sure that somebody else can administer, until the unit ends.

    Raises:
        LastAdmin: Nobody else can.
    """
    if await unit.users.is_last_active_admin(user_id):
        raise LastAdmin

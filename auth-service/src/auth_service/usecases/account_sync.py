"""Bringing a credential up to date with the user that user-service has."""

from collections.abc import Sequence
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.email_address import canonical_email
from chassis.errors import Unavailable
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.events import CopyOutdated
from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.mail import OWNERS_TOKENS, MailKind
from auth_service.domain.revocation import DEACTIVATED
from auth_service.domain.tokens import Revocation
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from auth_service.domain.user import User, UserDirectory, UserState
from auth_service.usecases.registration import queue_first_mail
from auth_service.usecases.revocation import end_access, revoke_user
from auth_service.usecases.undo import RestoreEmail, notify_with_undo


class SyncAccount(Component):
    """Fetches the user's current record from user-service, and copies it if it is newer.

    Called by user-service directly, which is fast, and for its event, which is reliable.
    """

    units: UnitsOfWork
    directory: UserDirectory
    throttle_keys: ThrottleKeys
    restore: RestoreEmail
    clock: Clock

    async def __call__(self, *, user_id: UUID, caller: Caller) -> Sequence[Revocation]:
        """Brings the credential up to date.

        Returns:
            The revocations in force of the user's tokens, also if the event was faster than this call.

        Raises:
            Unavailable: user-service is unreachable.
        """
        await self.restore(user_id=user_id)
        account = await self.directory.account(user_id)
        async with self.units.transaction() as unit:
            credential = await unit.credentials.lock(user_id)
            if account is not None and credential is not None:
                await self._follow(unit, credential, account, caller)
            return await unit.revocations.concerning(user_id)

    async def _follow(
        self, unit: UnitOfWork, credential: Credential, account: UserState, caller: Caller
    ) -> None:
        if account.user is None:
            await self._erase(unit, credential)
            changed = ["erased"]
        else:
            changed = await self._copy(unit, credential, account, account.user)
        if changed:
            entry = audited(
                caller,
                self.clock.now(),
                "auth.account_synced",
                subject_id=credential.user_id,
                changed=",".join(changed),
            )
            await unit.audit.append(entry)

    async def _erase(self, unit: UnitOfWork, credential: Credential) -> None:
        await unit.login_throttle.erase(self.throttle_keys.of(credential, "").account)
        await unit.login_throttle.erase(self.throttle_keys.of_second_factor(credential.user_id).account)
        await unit.mails.withdraw(credential.user_id, *MailKind)
        await unit.idempotency.erase(credential.user_id)
        await unit.credentials.erase(credential.user_id)
        await revoke_user(unit, credential.user_id)

    async def _copy(
        self, unit: UnitOfWork, credential: Credential, account: UserState, user: User
    ) -> list[str]:
        pending = await unit.email_changes.pending(user.user_id)
        if account.version <= credential.version and not credential.is_pending:
            # The previous release copies versions without the pending address.
            overlooked = account.version == credential.version and user.pending_email not in (None, pending)
            if not overlooked:
                return []
        if await unit.email_changes.restored(user.user_id) is not None:
            raise Unavailable  # The owner restored the address after user-service was asked.
        # user-service owns the addresses: any other credential with this one is outdated.
        outdated = await unit.credentials.release_email(canonical_email(user.email), user.user_id)
        if outdated is not None:
            await unit.outbox.append(CopyOutdated(outdated))
        await unit.credentials.copy(user, account.version)
        changed = _differences(credential, user)
        if credential.is_pending or "email" in changed:
            await _follow_address(unit, credential, user, pending)
        if user.pending_email != pending:
            await _follow_pending(unit, user, pending)
            changed.append("pending_email")
        if credential.is_active and not user.is_active:
            await end_access(unit, user.user_id, DEACTIVATED, at=self.clock.now())
        elif "role" in changed:
            await revoke_user(unit, user.user_id)
        return changed


async def _follow_address(unit: UnitOfWork, credential: Credential, user: User, pending: str | None) -> None:
    # Mails to the former address, sent or queued, lose their tokens. The one that proved the new address is
    # spent by `VerifyEmail`, also if it died meanwhile and is called again.
    ended = (kind for kind in OWNERS_TOKENS if kind is not MailKind.EMAIL_CHANGE or user.email != pending)
    await unit.mails.withdraw(user.user_id, *ended)
    await queue_first_mail(unit, credential, user)
    if credential.email is not None and not credential.is_pending:
        await notify_with_undo(unit, MailKind.EMAIL_CHANGED, user.user_id, credential.email)


async def _follow_pending(unit: UnitOfWork, user: User, before: str | None) -> None:
    await unit.email_changes.set_pending(user.user_id, user.pending_email)
    if user.pending_email is not None or user.email != before:
        await unit.mails.withdraw(user.user_id, MailKind.EMAIL_CHANGE)
    if user.pending_email is not None:
        await unit.mails.queue(MailKind.EMAIL_CHANGE, user.user_id)
        await notify_with_undo(unit, MailKind.EMAIL_CHANGE_REQUESTED, user.user_id, user.email)


def _differences(credential: Credential, user: User) -> list[str]:
    pairs = {
        "email": credential.email != user.email,
        "role": credential.role is not user.role,
        "is_active": credential.is_active is not user.is_active,
    }
    return [name for name, differs in pairs.items() if differs]

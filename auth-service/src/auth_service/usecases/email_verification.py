"""Verifying addresses by a mailed token."""

from contextlib import suppress
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import ServiceError, TokenExpired, TokenInvalid
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.errors import EmailTaken
from auth_service.domain.events import EmailVerified
from auth_service.domain.mail import MailKind, digest
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.user import UserDirectory
from auth_service.usecases.account_sync import SyncAccount
from auth_service.usecases.mailed_tokens import MailedTokens
from auth_service.usecases.undo import RestoreEmail


class ReportEmailVerified(Component):
    """Reports a verified address to user-service, unless it has changed since. Idempotent."""

    units: UnitsOfWork
    directory: UserDirectory
    restore: RestoreEmail

    async def __call__(self, *, user_id: UUID) -> None:
        """Reports it.

        Raises:
            EmailTaken: another user has an address that was restored.
            Unavailable: user-service is unreachable.
        """
        await self.restore(user_id=user_id)
        async with self.units.statements() as unit:
            email = await unit.emails.verified(user_id)
        if email is not None:
            await self.directory.mark_email_verified(user_id, email)


class VerifyEmail(Component):
    """Verifies the address of a mailed token; a pending one becomes the user's address.

    user-service owns the addresses, so it is asked before the token is spent: what it commits reaches the
    credential by its event, whatever happens to this call, and if it commits nothing the token stays valid.
    """

    mailed: MailedTokens
    directory: UserDirectory
    report: ReportEmailVerified
    sync: SyncAccount

    async def __call__(
        self, *, token: str, caller: Caller, idempotency: IdempotencyRecord | None = None
    ) -> None:
        """Verifies the address; does nothing if a retry finds it done.

        Raises:
            TokenInvalid: the token is wrong, used, replaced, or for an address that is not pending any more.
            TokenExpired: it has expired.
            EmailTaken: another user has the pending address by now.
            Unavailable: user-service is unreachable; try again.
        """
        if recorded_outcome(idempotency) is not None:
            return
        try:
            async with self.mailed.units.transaction() as unit:
                credential, address = await self.mailed.verify_proof(unit, token)
            is_new = address != credential.email
            if is_new:
                await self.directory.confirm_email(credential.user_id, address)
            await self._spend(credential, address, token, caller, idempotency)
        except (TokenInvalid, TokenExpired, EmailTaken) as refusal:
            await self.mailed.audit_refusal(refusal, token, caller)
            raise
        try:
            if is_new:
                await self.sync(user_id=credential.user_id, caller=caller)
            else:
                await self.report(user_id=credential.user_id)
        except ServiceError:
            return  # The event reports it later.

    async def _spend(
        self,
        checked: Credential,
        address: str,
        token: str,
        caller: Caller,
        idempotency: IdempotencyRecord | None,
    ) -> None:
        user_id = checked.user_id
        async with self.mailed.units.transaction() as unit:
            if address == checked.email:
                # Verified again: the address may have changed in between.
                await self.mailed.verify_proof(unit, token)
                await self.mailed.spend(unit, token)
                await unit.mails.withdraw(user_id, MailKind.EMAIL_VERIFICATION)
                if await unit.emails.verify(user_id):
                    await unit.outbox.append(EmailVerified(user_id))
            else:
                # The change is committed; its event may have ended the token already.
                await unit.credentials.lock(user_id)
                await unit.mails.spend(digest(token))
            await record_outcome(unit, idempotency, user_id)
            entry = audited(caller, self.mailed.clock.now(), self.mailed.action, actor_id=user_id)
            await unit.audit.append(entry)


class ResendVerification(Component):
    """Queues a mail with a token: to the pending address, or else to the current one.

    The latter is dropped if the address is verified by the time that it is sent.
    """

    units: UnitsOfWork
    sync: SyncAccount
    clock: Clock

    async def __call__(self, *, caller: Caller) -> None:
        """Queues the mail."""
        user_id = caller.require_user_id()
        with suppress(ServiceError):  # The previous release may have set a pending address.
            await self.sync(user_id=user_id, caller=caller)
        async with self.units.transaction() as unit:
            pending = await unit.email_changes.pending(user_id)
            kind = MailKind.EMAIL_VERIFICATION if pending is None else MailKind.EMAIL_CHANGE
            await unit.mails.queue(kind, user_id)
            await unit.audit.append(audited(caller, self.clock.now(), "auth.verification_resent"))

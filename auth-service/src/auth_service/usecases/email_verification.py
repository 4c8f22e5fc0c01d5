"""Verifying addresses by a mailed token."""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import ServiceError, TokenExpired, TokenInvalid
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.errors import EmailTaken
from auth_service.domain.events import EmailVerified
from auth_service.domain.idempotency import IdempotencyRecord
from auth_service.domain.mail import MailKind, digest
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.user import UserDirectory
from auth_service.usecases.account_sync import SyncAccount
from auth_service.usecases.idempotency import record_outcome, recorded_outcome
from auth_service.usecases.mailed_tokens import MailedTokens
from auth_service.usecases.undo import RestoreEmail


@dataclass(frozen=True, slots=True)
class ReportEmailVerified:
    """Tells what is so now; nothing when the address has changed since. May be repeated."""

    units: UnitsOfWork
    directory: UserDirectory
    restore: RestoreEmail

    async def __call__(self, *, user_id: UUID) -> None:
        """Returns when user-service knows.

        Raises:
            EmailTaken: another user has an address that was restored.
            Unavailable: user-service cannot be told.
        """
        await self.restore(user_id=user_id)
        async with self.units.statements() as unit:
            email = await unit.emails.verified(user_id)
        if email is not None:
            await self.directory.mark_email_verified(user_id, email)


@dataclass(frozen=True, slots=True)
class VerifyEmail:
    """Notes that the address is verified, or has the pending one become the address.

    Whose an address is decides user-service. It is asked before the token is used up: what it
    commits reaches the credential by its event, whatever happens to this call, and when it
    commits nothing the token can be sent again.
    """

    mailed: MailedTokens
    directory: UserDirectory
    tell: ReportEmailVerified
    sync: SyncAccount

    async def __call__(
        self, *, token: str, caller: Caller, idempotency: IdempotencyRecord | None = None
    ) -> None:
        """Returns when the address counts, also when the attempt has done that before.

        Raises:
            TokenInvalid: the token is wrong, used, replaced, or for an address that was given up.
            TokenExpired: it was not used in time.
            EmailTaken: another user has the pending address by now.
            Unavailable: user-service cannot be asked about the pending address; try again.
        """
        if recorded_outcome(idempotency) is not None:
            return
        try:
            async with self.mailed.units.transaction() as unit:
                credential, address = await self.mailed.verify_proof(unit, token)
            is_new = address != credential.email
            if is_new:
                await self.directory.confirm_email(credential.user_id, address)
            await self._note(credential, address, token, caller, idempotency)
        except (TokenInvalid, TokenExpired, EmailTaken) as refusal:
            await self.mailed.audit_refusal(refusal, token, caller)
            raise
        try:
            if is_new:
                await self.sync(user_id=credential.user_id, caller=caller)
            else:
                await self.tell(user_id=credential.user_id)
        except ServiceError:
            return  # The event will.

    async def _note(
        self,
        judged: Credential,
        address: str,
        token: str,
        caller: Caller,
        idempotency: IdempotencyRecord | None,
    ) -> None:
        user_id = judged.user_id
        async with self.mailed.units.transaction() as unit:
            if address == judged.email:
                # Judged once more: the address may have been given up in between.
                await self.mailed.verify_proof(unit, token)
                await self.mailed.spend(unit, token)
                await unit.mails.withdraw(user_id, MailKind.EMAIL_VERIFICATION)
                if await unit.emails.verify(user_id):
                    await unit.outbox.append(EmailVerified(user_id))
            else:
                # The change is made; its event may have ended the token already.
                await unit.credentials.lock(user_id)
                await unit.mails.spend(digest(token))
            await record_outcome(unit, idempotency, user_id)
            entry = audited(caller, self.mailed.clock.now(), self.mailed.action, actor_id=user_id)
            await unit.audit.append(entry)


@dataclass(frozen=True, slots=True)
class ResendVerification:
    """Queues a mail with a token: to the pending address, or else to the present one.

    The latter is dropped if the address is verified by its turn.
    """

    units: UnitsOfWork
    sync: SyncAccount
    clock: Clock

    async def __call__(self, *, caller: Caller) -> None:
        """Returns when the mail is queued."""
        user_id = caller.person()
        with suppress(ServiceError):  # What is asked for may have come here by the release before.
            await self.sync(user_id=user_id, caller=caller)
        async with self.units.transaction() as unit:
            pending = await unit.email_changes.pending(user_id)
            kind = MailKind.EMAIL_VERIFICATION if pending is None else MailKind.EMAIL_CHANGE
            await unit.mails.queue(kind, user_id)
            await unit.audit.append(audited(caller, self.clock.now(), "auth.verification_resent"))

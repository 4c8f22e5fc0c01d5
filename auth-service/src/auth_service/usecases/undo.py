"""Undoing a change of an account by the link in the notice about it."""

import secrets
from uuid import UUID

from chassis.component import Component
from chassis.email_address import canonical_email
from chassis.errors import ServiceError, TokenExpired, TokenInvalid
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.email_change import FormerEmail
from auth_service.domain.events import CopyOutdated, EmailVerified
from auth_service.domain.mail import FORMER_EMAILS_KEPT, MailKind
from auth_service.domain.password import PasswordHasher
from auth_service.domain.revocation import UNDONE
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from auth_service.domain.user import UserDirectory
from auth_service.usecases.mailed_tokens import MailedTokens
from auth_service.usecases.revocation import end_access


async def notify_with_undo(unit: UnitOfWork, kind: MailKind, user_id: UUID, email: str | None) -> None:
    """Queues a notice whose link restores the address that it is sent to, and ends every way in.

    Args:
        unit: In a transaction, the credential locked.
        kind: One of `UNDO_TOKENS`.
        user_id: The user.
        email: The address before the change; None if the user has none at the moment.
    """
    mail_id = await unit.mails.queue(kind, user_id)
    if email is not None:
        await unit.email_changes.keep_former(mail_id, user_id, email, FORMER_EMAILS_KEPT)


class RestoreEmail(Component):
    """Has user-service restore an address that its owner restored here. Idempotent."""

    units: UnitsOfWork
    directory: UserDirectory

    async def __call__(self, *, user_id: UUID) -> None:
        """Restores it, if there is one.

        Raises:
            EmailTaken: another user has the address by now.
            Unavailable: user-service is unreachable.
        """
        async with self.units.statements() as unit:
            email = await unit.email_changes.restored(user_id)
        if email is None:
            return
        await self.directory.restore_email(user_id, email)
        async with self.units.statements() as unit:
            await unit.email_changes.note_restored(user_id, email)


class UndoEmailChange(Component):
    """Gives the account back to the owner of the former address.

    An intruder may have made the changes: sessions, keys, passkeys and the second factor end, the password
    is replaced by a random one, and a mail to the restored address asks for a new one. A pending change is
    undone the same way.
    """

    mailed: MailedTokens
    hasher: PasswordHasher
    restore: RestoreEmail

    async def __call__(
        self, *, token: str, caller: Caller, idempotency: IdempotencyRecord | None = None
    ) -> None:
        """Restores the account; user-service follows at once, or by the event.

        Raises:
            TokenInvalid: the token is wrong or was used.
            TokenExpired: it has expired.
            Unavailable: it cannot be done now.
        """
        user_id = recorded_outcome(idempotency)
        if user_id is None:
            user_id = await self._undo(token, caller, idempotency)
        try:
            await self.restore(user_id=user_id)
        except ServiceError:
            return  # The event restores it later.

    async def _undo(self, token: str, caller: Caller, idempotency: IdempotencyRecord | None) -> UUID:
        try:
            async with self.mailed.units.transaction() as unit:
                await self.mailed.verify_undo(unit, token)
            random_hash = await self.hasher.hash(secrets.token_urlsafe(32))
            async with self.mailed.units.transaction() as unit:
                former, kind = await self.mailed.verify_undo(unit, token)
                await self.mailed.spend(unit, token)
                await record_outcome(unit, idempotency, former.user_id)
                await self._restore(unit, former, random_hash)
                now = self.mailed.clock.now()
                entry = audited(caller, now, self.mailed.action, actor_id=former.user_id, undone=kind.value)
                await unit.audit.append(entry)
        except (TokenInvalid, TokenExpired) as refusal:
            await self.mailed.audit_refusal(refusal, token, caller)
            raise
        return former.user_id

    async def _restore(self, unit: UnitOfWork, former: FormerEmail, password_hash: str) -> None:
        user_id, now = former.user_id, self.mailed.clock.now()
        credential = await unit.credentials.by_id(user_id)
        if credential is None:
            raise TokenInvalid
        outdated = await unit.credentials.release_email(canonical_email(former.email), user_id)
        if outdated is not None:
            await unit.outbox.append(CopyOutdated(outdated))
        await unit.email_changes.restore(former)
        await unit.credentials.replace_hash(user_id, credential.password_hash, password_hash)
        await end_access(unit, user_id, UNDONE, at=now)
        await unit.mails.queue(MailKind.PASSWORD_RESET, user_id)
        await unit.outbox.append(EmailVerified(user_id))

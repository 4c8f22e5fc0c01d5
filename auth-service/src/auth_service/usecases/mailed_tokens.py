"""Verifying mailed tokens; a step of several use cases."""

from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import ServiceError, TokenExpired, TokenInvalid
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.email_change import FormerEmail
from auth_service.domain.mail import MailKind, MailToken, MailTokens, digest
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork


class MailedTokens(Component):
    """Verifies mailed tokens of some kinds, and audits refusals.

    Attributes:
        action: The audit action of using such a token.
    """

    kinds: tuple[MailKind, ...]
    action: str
    units: UnitsOfWork
    tokens: MailTokens
    clock: Clock

    async def verify(self, unit: UnitOfWork, token: str) -> Credential:
        """Returns the token's credential, locked.

        Raises:
            TokenInvalid: it is unknown, used, replaced by a newer one, or was sent to an address that is
                not the user's any more.
            TokenExpired: it has expired.
        """
        credential, _ = await self.verify_proof(unit, token)
        return credential

    async def verify_proof(self, unit: UnitOfWork, token: str) -> tuple[Credential, str]:
        """Returns the token's credential, locked, and the address that it was sent to: maybe the pending one.

        It is not pending any more if a call by the same token died after user-service had confirmed it.

        Raises:
            TokenInvalid: it is unknown, used, replaced by a newer one, or was sent to an address that is
                neither the user's nor pending any more.
            TokenExpired: it has expired.
        """
        known = await self._known(unit, token)
        credential = await unit.credentials.lock(known.user_id)
        if credential is None or credential.is_pending:
            raise TokenInvalid
        address = credential.email
        if known.kind is MailKind.EMAIL_CHANGE:
            if not credential.is_active:
                raise TokenInvalid
            address = await unit.email_changes.pending(known.user_id) or address
        if address is None:
            raise TokenInvalid
        self._require_ours(known, address, token)
        return credential, address

    async def verify_undo(self, unit: UnitOfWork, token: str) -> tuple[FormerEmail, MailKind]:
        """Returns the address that the token restores, with the credential locked, and what it undoes.

        Raises:
            TokenInvalid: it is unknown or used, or the change was undone.
            TokenExpired: it has expired.
        """
        known = await self._known(unit, token)
        await unit.credentials.lock(known.user_id)
        former = await unit.email_changes.former(known.mail_id)
        if former is None:
            raise TokenInvalid
        self._require_ours(known, former.email, token)
        return former, known.kind

    async def spend(self, unit: UnitOfWork, token: str) -> None:
        """Spends the token.

        Raises:
            TokenInvalid: a concurrent call has spent it.
        """
        if not await unit.mails.spend(digest(token)):
            raise TokenInvalid

    async def audit_refusal(self, refusal: ServiceError, token: str, caller: Caller) -> None:
        """Audits a refusal."""
        async with self.units.transaction() as unit:
            known = await unit.mails.token(digest(token))
            subject_id: UUID | None = known.user_id if known else None
            await unit.audit.append(
                audited(
                    caller,
                    self.clock.now(),
                    self.action,
                    "refused",
                    subject_id=subject_id,
                    reason=refusal.reason,
                )
            )

    async def _known(self, unit: UnitOfWork, token: str) -> MailToken:
        known = await unit.mails.token(digest(token))
        if known is None or known.kind not in self.kinds:
            raise TokenInvalid
        return known

    def _require_ours(self, known: MailToken, address: str, token: str) -> None:
        if not self.tokens.is_token(token, known.kind, known.mail_id, known.user_id, address):
            raise TokenInvalid
        if known.is_expired:
            raise TokenExpired

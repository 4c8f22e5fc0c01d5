"""Taking a mailed token as the proof that an address is the person's."""

from dataclasses import dataclass

from chassis.errors import ServiceError, TokenExpired, TokenInvalid
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.events import EmailVerified
from auth_service.domain.idempotency import Attempt
from auth_service.domain.mail import MailKind
from auth_service.usecases.mailed_token import MailedToken
from auth_service.usecases.settling import outcome_of, settle
from auth_service.usecases.tell_email_verified import TellEmailVerified


@dataclass(frozen=True, slots=True)
class VerifyEmail:
    """Notes that the address is verified, and has user-service note it.

    The call to user-service is the fast path; the event written with the change is the sure one.
    """

    mailed: MailedToken
    tell: TellEmailVerified

    async def __call__(self, *, token: str, caller: Caller, attempt: Attempt | None = None) -> None:
        """Returns when the address counts as verified, also when the attempt has done that before.

        Raises:
            TokenInvalid: the token is wrong, used, replaced, or for an address that was given up.
            TokenExpired: it was not used in time.
        """
        if outcome_of(attempt) is not None:
            return
        try:
            async with self.mailed.database.transaction() as stores:
                credential = await self.mailed.judge(stores, token)
                await self.mailed.spend(stores, token)
                await settle(stores, attempt, credential.user_id)
                await stores.mails.withdraw(credential.user_id, MailKind.EMAIL_VERIFICATION)
                if await stores.emails.verify(credential.user_id):
                    await stores.outbox.append(EmailVerified(credential.user_id))
                entry = audited(
                    caller, self.mailed.clock.now(), self.mailed.action, actor_id=credential.user_id
                )
                await stores.audit.append(entry)
        except (TokenInvalid, TokenExpired) as refusal:
            await self.mailed.note_refusal(refusal, token, caller)
            raise
        try:
            await self.tell(user_id=credential.user_id)
        except ServiceError:
            return  # The event will.

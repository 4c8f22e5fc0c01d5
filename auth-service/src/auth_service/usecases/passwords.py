"""Passwords: changing, forgetting and resetting them."""

from chassis.clock import Clock
from chassis.component import Component
from chassis.email_address import canonical_email
from chassis.errors import Invalid, TokenExpired, TokenInvalid, Unauthenticated
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller

from auth_service.domain.after_response import AfterResponse
from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.errors import CredentialChanged
from auth_service.domain.events import EmailVerified
from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.mail import MailKind, unknown_recipient
from auth_service.domain.password import WRONG, PasswordHasher, PasswordPolicy
from auth_service.domain.revocation import PASSWORD_CHANGED, PASSWORD_RESET
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.user import UserDirectory
from auth_service.usecases.mailed_tokens import MailedTokens
from auth_service.usecases.password_check import VerifyPassword
from auth_service.usecases.revocation import end_access


class ChangePassword(Component):
    """Changes the password, given the old one; every other session ends."""

    units: UnitsOfWork
    verify_password: VerifyPassword
    policy: PasswordPolicy
    hasher: PasswordHasher
    directory: UserDirectory
    clock: Clock

    async def __call__(self, *, old_password: str, new_password: str, caller: Caller) -> None:
        """Changes the password.

        Raises:
            Invalid: the old password is wrong.
            TooManyAttempts: the client has failed at this account too often.
            WeakPassword: the new one is too easy to guess.
            Unavailable: it cannot be rated now.
        """
        user_id = caller.require_user_id()
        async with self.units.statements() as unit:
            credential = await unit.credentials.by_id(user_id)
            if credential is None:
                raise Unauthenticated
        if not await self.verify_password(user_id=user_id, password=old_password, caller=caller):
            raise Invalid.on("old_password", WRONG)
        await check_new_password(self.policy, self.directory, credential, new_password)
        new_hash = await self.hasher.hash(new_password)
        await self._exchange(credential, new_hash, caller)

    async def _exchange(self, credential: Credential, new_hash: str, caller: Caller) -> None:
        now = self.clock.now()
        async with self.units.transaction() as unit:
            await unit.credentials.lock(credential.user_id)
            if not await unit.credentials.replace_hash(
                credential.user_id, credential.password_hash, new_hash
            ):
                raise CredentialChanged
            await unit.mails.withdraw(credential.user_id, MailKind.PASSWORD_RESET)
            await unit.mails.queue(MailKind.PASSWORD_CHANGED, credential.user_id)
            await end_access(
                unit, credential.user_id, PASSWORD_CHANGED, at=now, keep_session=caller.session_id
            )
            await unit.audit.append(audited(caller, now, "auth.password_changed"))


class ForgotPassword(Component):
    """Queues a mail with a reset token.

    For an unknown address the same statements queue a mail that is dropped at the last moment: neither
    the response nor its time reveals whether there is an account.
    """

    units: UnitsOfWork
    throttle_keys: ThrottleKeys
    clock: Clock
    after_response: AfterResponse

    async def __call__(self, *, email: str, caller: Caller) -> None:
        """Queues the mail."""
        address = canonical_email(email)
        unknown = unknown_recipient(self.throttle_keys(address, "").account)
        async with self.units.statements() as unit:
            credential = await unit.credentials.by_email(address)
        subject_id = None if credential is None else credential.user_id
        async with self.units.transaction() as unit:
            await unit.mails.queue(MailKind.PASSWORD_RESET, subject_id or unknown)
        entry = audited(caller, self.clock.now(), "auth.password_forgot", subject_id=subject_id)

        async def note() -> None:
            if subject_id is not None:
                async with self.units.transaction() as unit:
                    await unit.audit.append(entry)

        # Only known accounts are audited, which takes time: the response must not reveal it.
        await self.after_response(note)


class ResetPassword(Component):
    """Sets a new password for a mailed token, and ends every other way in.

    Sessions, API keys and passkeys may be an intruder's; the second factor stays. A password that is too
    weak does not spend the token.
    """

    mailed: MailedTokens
    throttle_keys: ThrottleKeys
    policy: PasswordPolicy
    hasher: PasswordHasher
    directory: UserDirectory

    async def __call__(
        self, *, token: str, new_password: str, caller: Caller, idempotency: IdempotencyRecord | None = None
    ) -> None:
        """Sets the password; does nothing if a retry finds it done.

        Raises:
            TokenInvalid: the token is wrong, used, replaced, or the password or the address has changed
                since.
            TokenExpired: it has expired.
            WeakPassword: the password is too easy to guess.
            Unavailable: it cannot be rated now.
        """
        if recorded_outcome(idempotency) is not None:
            return
        try:
            async with self.mailed.units.transaction() as unit:
                credential = _active(await self.mailed.verify(unit, token))
            await check_new_password(self.policy, self.directory, credential, new_password)
            await self._exchange(token, await self.hasher.hash(new_password), caller, idempotency)
        except (TokenInvalid, TokenExpired) as refusal:
            await self.mailed.audit_refusal(refusal, token, caller)
            raise

    async def _exchange(
        self, token: str, new_hash: str, caller: Caller, idempotency: IdempotencyRecord | None
    ) -> None:
        now = self.mailed.clock.now()
        async with self.mailed.units.transaction() as unit:
            credential = _active(await self.mailed.verify(unit, token))
            user_id = credential.user_id
            await self.mailed.spend(unit, token)
            await record_outcome(unit, idempotency, user_id)
            await unit.credentials.replace_hash(user_id, credential.password_hash, new_hash)
            await unit.mails.queue(MailKind.PASSWORD_RECOVERED, user_id)
            # Failures before were of a forgotten password.
            await unit.login_throttle.erase(self.throttle_keys.of(credential, "").account)
            await end_access(unit, user_id, PASSWORD_RESET, at=now)
            # The token came from the mailbox, which verifies the address as well.
            if await unit.emails.verify(user_id):
                await unit.outbox.append(EmailVerified(user_id))
            await unit.audit.append(audited(caller, now, self.mailed.action, actor_id=user_id))


async def check_new_password(
    policy: PasswordPolicy, directory: UserDirectory, credential: Credential, new_password: str
) -> None:
    """Checks a new password against the policy, with the user's name, which only user-service has."""
    account = await directory.account(credential.user_id)
    full_name = account.user.full_name if account and account.user else ""
    await policy.check("new_password", new_password, email=credential.email or "", full_name=full_name)


def _active(credential: Credential) -> Credential:
    if not credential.is_active:
        raise TokenInvalid
    return credential

"""Exchanging one's password."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.errors import Invalid, ServiceError, Unauthenticated
from chassis.identity.caller import Caller

from auth_service.domain.access import PASSWORD_CHANGED
from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.errors import CredentialChanged, TooManyAttempts
from auth_service.domain.guessing import GuessKey
from auth_service.domain.mail import MailKind
from auth_service.domain.password_policy import PasswordPolicy
from auth_service.domain.ports import GuessKeys, PasswordHasher, UserDirectory
from auth_service.domain.stores import Database
from auth_service.usecases.check_password import CheckPassword
from auth_service.usecases.revoking import end_access

WRONG = "is not your password"


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """Takes a new password from somebody who knows the old one; every other session ends."""

    database: Database
    guess_keys: GuessKeys
    check_password: CheckPassword
    policy: PasswordPolicy
    hasher: PasswordHasher
    directory: UserDirectory
    clock: Clock

    async def __call__(self, *, old_password: str, new_password: str, caller: Caller) -> None:
        """Returns when the new password counts.

        Raises:
            Invalid: the old password is wrong.
            TooManyAttempts: this client has guessed at this account too often.
            WeakPassword: the new one would be guessed.
            Unavailable: it cannot be judged now.
        """
        user_id = caller.person()
        async with self.database.statements() as stores:
            credential = await stores.credentials.by_id(user_id)
            if credential is None:
                raise Unauthenticated
            key = self.guess_keys.of(credential, caller.client_address)
            record = await stores.guesses.record(key)
        try:
            if not await self.check_password(record, credential, old_password):
                raise Invalid.on("old_password", WRONG)
        except (Invalid, TooManyAttempts) as refusal:
            await self._note_refusal(refusal, key, caller)
            raise
        await self._judge(credential, new_password)
        new_hash = await self.hasher.hash(new_password)
        await self._exchange(credential, new_hash, key, caller)

    async def _judge(self, credential: Credential, new_password: str) -> None:
        # The name is kept by user-service alone, and the rules speak of it.
        account = await self.directory.account(credential.user_id)
        full_name = account.person.full_name if account and account.person else ""
        await self.policy.check(
            "new_password", new_password, email=credential.email or "", full_name=full_name
        )

    async def _exchange(self, credential: Credential, new_hash: str, key: GuessKey, caller: Caller) -> None:
        now = self.clock.now()
        async with self.database.transaction() as stores:
            await stores.credentials.lock(credential.user_id)
            if not await stores.credentials.replace_hash(
                credential.user_id, credential.password_hash, new_hash
            ):
                raise CredentialChanged
            await stores.guesses.forgive(key)
            await stores.mails.withdraw(credential.user_id, MailKind.PASSWORD_RESET)
            await stores.mails.queue(MailKind.PASSWORD_CHANGED, credential.user_id)
            await end_access(
                stores, credential.user_id, PASSWORD_CHANGED, at=now, keep_session=caller.session_id
            )
            await stores.audit.append(audited(caller, now, "auth.password_changed"))

    async def _note_refusal(self, refusal: ServiceError, key: GuessKey, caller: Caller) -> None:
        async with self.database.transaction() as stores:
            if isinstance(refusal, Invalid):
                await stores.guesses.note_failure(key)
            await stores.audit.append(
                audited(caller, self.clock.now(), "auth.password_refused", "refused", reason=refusal.reason)
            )

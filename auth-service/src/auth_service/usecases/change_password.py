"""Exchanging one's password."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.errors import Invalid, Unauthenticated
from chassis.identity.caller import Caller

from auth_service.domain.access import PASSWORD_CHANGED
from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.errors import CredentialChanged
from auth_service.domain.mail import MailKind
from auth_service.domain.password_policy import PasswordPolicy
from auth_service.domain.ports import PasswordHasher, UserDirectory
from auth_service.domain.stores import Database
from auth_service.usecases.revoking import end_access
from auth_service.usecases.verify_password import VerifyPassword

WRONG = "is not your password"


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """Takes a new password from somebody who knows the old one; every other session ends."""

    database: Database
    verify_password: VerifyPassword
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
        if not await self.verify_password(user_id=user_id, password=old_password, caller=caller):
            raise Invalid.on("old_password", WRONG)
        await self._judge(credential, new_password)
        new_hash = await self.hasher.hash(new_password)
        await self._exchange(credential, new_hash, caller)

    async def _judge(self, credential: Credential, new_password: str) -> None:
        # The name is kept by user-service alone, and the rules speak of it.
        account = await self.directory.account(credential.user_id)
        full_name = account.person.full_name if account and account.person else ""
        await self.policy.check(
            "new_password", new_password, email=credential.email or "", full_name=full_name
        )

    async def _exchange(self, credential: Credential, new_hash: str, caller: Caller) -> None:
        now = self.clock.now()
        async with self.database.transaction() as stores:
            await stores.credentials.lock(credential.user_id)
            if not await stores.credentials.replace_hash(
                credential.user_id, credential.password_hash, new_hash
            ):
                raise CredentialChanged
            await stores.mails.withdraw(credential.user_id, MailKind.PASSWORD_RESET)
            await stores.mails.queue(MailKind.PASSWORD_CHANGED, credential.user_id)
            await end_access(
                stores, credential.user_id, PASSWORD_CHANGED, at=now, keep_session=caller.session_id
            )
            await stores.audit.append(audited(caller, now, "auth.password_changed"))

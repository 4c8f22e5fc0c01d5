"""Getting a new password for a mailed token."""

from dataclasses import dataclass

from chassis.errors import TokenExpired, TokenInvalid
from chassis.identity.caller import Caller

from auth_service.domain.access import PASSWORD_RESET
from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.events import EmailVerified
from auth_service.domain.idempotency import Attempt
from auth_service.domain.mail import MailKind
from auth_service.domain.password_policy import PasswordPolicy
from auth_service.domain.ports import GuessKeys, PasswordHasher, UserDirectory
from auth_service.usecases.mailed_token import MailedToken
from auth_service.usecases.revoking import end_access
from auth_service.usecases.settling import outcome_of, settle


@dataclass(frozen=True, slots=True)
class ResetPassword:
    """Takes a new password from whoever reads the account's mail, and ends every other way in.

    Sessions, API keys and passkeys may be an intruder's; the second factor stays.
    A password that is too weak leaves the token as it was, to be tried with a better one.
    """

    mailed: MailedToken
    guess_keys: GuessKeys
    policy: PasswordPolicy
    hasher: PasswordHasher
    directory: UserDirectory

    async def __call__(
        self, *, token: str, new_password: str, caller: Caller, attempt: Attempt | None = None
    ) -> None:
        """Returns when the new password counts, also when the attempt has set it before.

        Raises:
            TokenInvalid: the token is wrong, used, replaced, or the password or the address
                has changed since.
            TokenExpired: it was not used in time.
            WeakPassword: the password would be guessed.
            Unavailable: it cannot be judged now.
        """
        if outcome_of(attempt) is not None:
            return
        try:
            async with self.mailed.database.transaction() as stores:
                credential = _active(await self.mailed.judge(stores, token))
            await self._judge(credential, new_password)
            await self._exchange(token, await self.hasher.hash(new_password), caller, attempt)
        except (TokenInvalid, TokenExpired) as refusal:
            await self.mailed.note_refusal(refusal, token, caller)
            raise

    async def _judge(self, credential: Credential, new_password: str) -> None:
        # The name is kept by user-service alone, and the rules speak of it.
        account = await self.directory.account(credential.user_id)
        full_name = account.person.full_name if account and account.person else ""
        await self.policy.check(
            "new_password", new_password, email=credential.email or "", full_name=full_name
        )

    async def _exchange(self, token: str, new_hash: str, caller: Caller, attempt: Attempt | None) -> None:
        now = self.mailed.clock.now()
        async with self.mailed.database.transaction() as stores:
            credential = _active(await self.mailed.judge(stores, token))
            user_id = credential.user_id
            await self.mailed.spend(stores, token)
            await settle(stores, attempt, user_id)
            await stores.credentials.replace_hash(user_id, credential.password_hash, new_hash)
            await stores.mails.queue(MailKind.PASSWORD_RECOVERED, user_id)
            # Whoever was locked out for guessing had forgotten it.
            await stores.guesses.erase(self.guess_keys.of(credential, "").account)
            await end_access(stores, user_id, PASSWORD_RESET, at=now)
            # The token came back from the mailbox, which proves the address as well.
            if await stores.emails.verify(user_id):
                await stores.outbox.append(EmailVerified(user_id))
            await stores.audit.append(audited(caller, now, self.mailed.action, actor_id=user_id))


def _active(credential: Credential) -> Credential:
    if not credential.is_active:
        raise TokenInvalid
    return credential

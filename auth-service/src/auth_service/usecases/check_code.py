"""One step of several use cases: is it a code of the user's second factor, and may more be tried?"""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import ServiceError, TokenInvalid
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.errors import InvalidCredentials, TooManyAttempts
from auth_service.domain.guessing import whole_seconds
from auth_service.domain.mail import MailKind
from auth_service.domain.ports import GuessKeys
from auth_service.domain.second_factor import SecondFactorSecrets
from auth_service.domain.stores import Stores


@dataclass(frozen=True, slots=True)
class CheckCode:
    """Uses a code up. Wrong ones are counted per user, apart from passwords, by whichever client.

    Both steps run under the credential's lock: of calls with one code, one wins.

    Attributes:
        notify: Whether a user whose codes were guessed at too often is told by mail: whoever did it
            has the password.
    """

    secrets: SecondFactorSecrets
    guess_keys: GuessKeys
    notify: bool
    clock: Clock

    async def require_allowed(self, stores: Stores, user_id: UUID) -> None:
        """Returns when another code may be tried.

        Raises:
            TooManyAttempts: there were too many wrong ones.
        """
        record = await stores.guesses.record(self.guess_keys.of_second_factor(user_id))
        if record.blocked_for is not None:
            raise TooManyAttempts(retry_after_seconds=whole_seconds(record.blocked_for))

    async def __call__(self, stores: Stores, user_id: UUID, code: str) -> str:
        """Returns what the code is: `totp` or `recovery_code`.

        Raises:
            InvalidCredentials: it is wrong, or was used.
            TokenInvalid: the second factor is not on any more.
        """
        authenticator = await stores.second_factors.authenticator(user_id)
        if authenticator is None or not authenticator.is_confirmed:
            raise TokenInvalid
        step = self.secrets.step_of(authenticator, code, self.clock.now())
        if step is not None and await stores.second_factors.advance(user_id, step):
            return "totp"
        for digest in self.secrets.recovery_digests(user_id, code):
            if await stores.second_factors.spend_recovery_code(user_id, digest):
                return "recovery_code"
        raise InvalidCredentials

    async def note_refusal(
        self, stores: Stores, refusal: ServiceError, user_id: UUID | None, caller: Caller
    ) -> None:
        """Counts a wrong code and audits the refusal.

        Args:
            stores: Where; the transaction is to commit although the call is refused.
            refusal: Why.
            user_id: Whose second factor it was; None when that is unknown.
            caller: Who tried.
        """
        if isinstance(refusal, InvalidCredentials) and user_id is not None:
            record = await stores.guesses.note_failure(self.guess_keys.of_second_factor(user_id))
            # While it is blocked no code is counted: this happens once for each block.
            if record.blocked_for is not None and self.notify:
                await stores.mails.queue(MailKind.SECOND_FACTOR_GUESSED, user_id)
        entry = audited(
            caller, self.clock.now(), "auth.mfa_refused", "refused", subject_id=user_id, reason=refusal.reason
        )
        await stores.audit.append(entry)

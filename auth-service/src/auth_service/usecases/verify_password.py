"""Saying whether a password is a person's, for another service's sake."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.errors import TooManyAttempts
from auth_service.domain.guessing import GuessKey
from auth_service.domain.ports import GuessKeys
from auth_service.domain.stores import Database
from auth_service.usecases.check_password import CheckPassword


@dataclass(frozen=True, slots=True)
class VerifyPassword:
    """Checks a password; a wrong one counts like a sign-in's."""

    database: Database
    guess_keys: GuessKeys
    check_password: CheckPassword
    clock: Clock

    async def __call__(self, *, user_id: UUID, password: str, caller: Caller) -> bool:
        """Says whether it is the person's password.

        Raises:
            TooManyAttempts: this client has guessed at this account too often.
        """
        async with self.database.statements() as stores:
            credential = await stores.credentials.by_id(user_id)
            if credential is None:
                return False
            key = self.guess_keys.of(credential, caller.client_address)
            record = await stores.guesses.record(key)
        try:
            matches = await self.check_password(record, credential, password)
        except TooManyAttempts as refusal:
            await self._note_refusal(user_id, None, caller, refusal.reason)
            raise
        if not matches:
            await self._note_refusal(user_id, key, caller, "WRONG_PASSWORD")
            return False
        async with self.database.transaction() as stores:
            await stores.guesses.forgive(key)
        return True

    async def _note_refusal(self, user_id: UUID, wrong: GuessKey | None, caller: Caller, reason: str) -> None:
        async with self.database.transaction() as stores:
            if wrong is not None:
                await stores.guesses.note_failure(wrong)
            await stores.audit.append(
                audited(
                    caller,
                    self.clock.now(),
                    "auth.password_refused",
                    "refused",
                    subject_id=user_id,
                    reason=reason,
                )
            )

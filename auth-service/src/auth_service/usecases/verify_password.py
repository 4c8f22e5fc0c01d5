"""Saying whether a password is a person's, for another service's sake."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
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
        async with self.check_password.turn(key):
            return await self._verify(key, credential, password, caller)

    async def _verify(self, key: GuessKey, credential: Credential, password: str, caller: Caller) -> bool:
        async with self.database.statements() as stores:
            record = await stores.guesses.reserve(key)
        try:
            # Who is in a session has signed in before.
            matches = await self.check_password(key, record, credential, password, is_trusted=True)
        except TooManyAttempts as refusal:
            await self._note_refusal(credential.user_id, caller, refusal.reason)
            raise
        if not matches:
            await self._note_refusal(credential.user_id, caller, "WRONG_PASSWORD")
            return False
        async with self.database.transaction() as stores:
            await stores.guesses.forgive(key)
        return True

    async def _note_refusal(self, user_id: UUID, caller: Caller, reason: str) -> None:
        async with self.database.transaction() as stores:
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

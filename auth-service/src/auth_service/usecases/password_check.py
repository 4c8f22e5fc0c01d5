"""Checking a password under the login throttle; a step of several use cases."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import ServiceError
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.errors import TooManyAttempts
from auth_service.domain.login_delay import LoginDelay, delay_seconds
from auth_service.domain.login_throttle import ThrottleKey, ThrottleKeys, ThrottleState, whole_seconds
from auth_service.domain.password import PasswordHasher
from auth_service.domain.unit_of_work import UnitsOfWork


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """Refuses clients that guessed too often, holds back answers about accounts under attack.

    A guess is counted before it is made, so that guesses at the same time are no more than a
    client has. The whole of it, with what is done for a right password, is one `turn`:

        async with check_password.turn(key):
            record = await unit.login_throttle.reserve(key)
            if await check_password(key, record, credential, password):
                ...  # forgive the client
    """

    units: UnitsOfWork
    hasher: PasswordHasher
    login_delay: LoginDelay

    def turn(self, key: ThrottleKey) -> AbstractAsyncContextManager[None]:
        """Waits until one of the client's guesses at the account can be made.

        Raises:
            TooManyAttempts: too many of them wait already.
        """
        return self.login_delay.turn(key)

    async def __call__(
        self,
        key: ThrottleKey,
        record: ThrottleState,
        credential: Credential | None,
        password: str,
        *,
        is_trusted: bool = False,
    ) -> bool:
        """Says whether it is the password; takes as long for a credential that is not there.

        Args:
            key: The account and the client.
            record: What reserving the guess returned.
            credential: The account's credential; None when there is no such account.
            password: The guess.
            is_trusted: Whether the client has proved before that it is the account's: then the guesses
                of others do not hold it back.

        Raises:
            TooManyAttempts: the client has to wait.
            Unavailable: too many passwords wait to be checked.
        """
        if record.counted_at is None:
            # Without a block, all its guesses are under way, in other processes.
            wait = 1.0 if record.blocked_for is None else whole_seconds(record.blocked_for)
            raise TooManyAttempts(retry_after_seconds=wait)
        try:
            if not is_trusted:
                await self.login_delay(delay_seconds(record), key, is_first=record.is_first)
            matches = await self.hasher.verify(credential.password_hash if credential else None, password)
        except ServiceError:
            await self.take_back(key, record)
            raise
        if not matches:
            async with self.units.statements() as unit:
                await unit.login_throttle.confirm_failure(key)
        return matches

    async def take_back(self, key: ThrottleKey, record: ThrottleState) -> None:
        """Uncounts a guess that was not made, or was right and opened nothing yet."""
        if record.counted_at is not None:
            async with self.units.statements() as unit:
                await unit.login_throttle.release(key, record.counted_at)


@dataclass(frozen=True, slots=True)
class VerifyPassword:
    """Checks a password; a wrong one counts like a sign-in's."""

    units: UnitsOfWork
    throttle_keys: ThrottleKeys
    check_password: CheckPassword
    clock: Clock

    async def __call__(self, *, user_id: UUID, password: str, caller: Caller) -> bool:
        """Says whether it is the user's password.

        Raises:
            TooManyAttempts: this client has guessed at this account too often.
        """
        async with self.units.statements() as unit:
            credential = await unit.credentials.by_id(user_id)
            if credential is None:
                return False
        key = self.throttle_keys.of(credential, caller.client_address)
        async with self.check_password.turn(key):
            return await self._verify(key, credential, password, caller)

    async def _verify(self, key: ThrottleKey, credential: Credential, password: str, caller: Caller) -> bool:
        async with self.units.statements() as unit:
            record = await unit.login_throttle.reserve(key)
        try:
            # Who is in a session has signed in before.
            matches = await self.check_password(key, record, credential, password, is_trusted=True)
        except TooManyAttempts as refusal:
            await self._audit_refusal(credential.user_id, caller, refusal.reason)
            raise
        if not matches:
            await self._audit_refusal(credential.user_id, caller, "WRONG_PASSWORD")
            return False
        async with self.units.transaction() as unit:
            await unit.login_throttle.reset(key)
        return True

    async def _audit_refusal(self, user_id: UUID, caller: Caller, reason: str) -> None:
        async with self.units.transaction() as unit:
            await unit.audit.append(
                audited(
                    caller,
                    self.clock.now(),
                    "auth.password_refused",
                    "refused",
                    subject_id=user_id,
                    reason=reason,
                )
            )

"""Checking a password under the login throttle; a step of several use cases."""

import asyncio
from contextlib import AbstractAsyncContextManager
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import ServiceError
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.errors import TooManyAttempts
from auth_service.domain.login_throttle import (
    LoginDelay,
    ThrottleKey,
    ThrottleKeys,
    ThrottleState,
    delay_seconds,
    whole_seconds,
)
from auth_service.domain.password import PasswordHasher
from auth_service.domain.unit_of_work import UnitsOfWork


class CheckPassword(Component):
    """Compares a password; refuses clients that failed too often, delays accounts under attack.

    An attempt is counted in advance, so that concurrent attempts are no more than a client has left. It
    runs in one `turn`, with what follows a right password:

        async with check_password.turn(key):
            throttle = await unit.login_throttle.reserve(key)
            if await check_password(key, throttle, credential, password):
                ...  # reset the client's failures
    """

    units: UnitsOfWork
    hasher: PasswordHasher
    login_delay: LoginDelay

    def turn(self, key: ThrottleKey) -> AbstractAsyncContextManager[None]:
        """Waits until one of the client's attempts at the account may run.

        Raises:
            TooManyAttempts: too many wait already.
        """
        return self.login_delay.turn(key)

    async def __call__(
        self,
        key: ThrottleKey,
        throttle: ThrottleState,
        credential: Credential | None,
        password: str,
        *,
        is_trusted: bool = False,
    ) -> bool:
        """Whether it is the password; takes the same time without a credential.

        Args:
            key: The account and the client.
            throttle: What `reserve` returned.
            credential: The account's credential; None without an account.
            password: The password.
            is_trusted: Whether the client has signed in to the account before: then failures of other
                clients do not delay it.

        Raises:
            TooManyAttempts: the client has to wait.
            Unavailable: too many passwords wait to be hashed.
        """
        if throttle.counted_at is None:
            # Without a block, all its attempts are running, in other processes.
            wait = 1.0 if throttle.blocked_for is None else whole_seconds(throttle.blocked_for)
            raise TooManyAttempts(retry_after_seconds=wait)
        try:
            if not is_trusted:
                await self.login_delay(delay_seconds(throttle), key, is_first=throttle.is_first)
            matches = await self.hasher.verify(credential.password_hash if credential else None, password)
        except ServiceError:
            await self.take_back(key, throttle)
            raise
        except asyncio.CancelledError:
            # The client left or its deadline passed, before it learned anything.
            await asyncio.shield(self.take_back(key, throttle))
            raise
        if not matches:
            async with self.units.statements() as unit:
                await unit.login_throttle.confirm_failure(key)
        return matches

    async def take_back(self, key: ThrottleKey, throttle: ThrottleState) -> None:
        """Uncounts an attempt that was not made, or was right and has opened no session yet."""
        if throttle.counted_at is not None:
            async with self.units.statements() as unit:
                await unit.login_throttle.release(key, throttle.counted_at)


class VerifyPassword(Component):
    """Says whether a password is a user's; a wrong one counts like a sign-in's."""

    units: UnitsOfWork
    throttle_keys: ThrottleKeys
    check_password: CheckPassword
    clock: Clock

    async def __call__(self, *, user_id: UUID, password: str, caller: Caller) -> bool:
        """Whether it is the user's password.

        Raises:
            TooManyAttempts: the client has failed at this account too often.
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
            throttle = await unit.login_throttle.reserve(key)
        try:
            # The client has a session, so it has signed in before.
            matches = await self.check_password(key, throttle, credential, password, is_trusted=True)
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

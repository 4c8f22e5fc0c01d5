"""Signing in."""

from contextlib import suppress
from dataclasses import replace

from chassis.clock import Clock
from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.email_address import canonical_email
from chassis.errors import ServiceError, Unavailable
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.after_response import AfterResponse
from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.device import DeviceTokens
from auth_service.domain.errors import (
    AccountDisabled,
    HashingOverloaded,
    InvalidCredentials,
    NotAdmittedYet,
    TooManyAttempts,
)
from auth_service.domain.events import SignedIn
from auth_service.domain.login_throttle import ThrottleKey, ThrottleKeys, ThrottleState, whole_seconds
from auth_service.domain.password import PasswordHasher
from auth_service.domain.proof import PASSWORD
from auth_service.domain.second_factor import Challenge, SecondFactorSecrets
from auth_service.domain.session import LockedSession
from auth_service.domain.tokens import Tokens
from auth_service.domain.unit_of_work import UnitsOfWork
from auth_service.domain.user import UserDirectory
from auth_service.usecases.devices import RecordDevice
from auth_service.usecases.password_check import CheckPassword
from auth_service.usecases.tokens import IssueTokens, reissue_tokens


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A password to check.

    Attributes:
        address_key: The account and the client's address; `key` has the browser's device instead, if that
            is one of the account's.
        throttle: The failures before it.
        device: That device's token.
    """

    address_key: ThrottleKey
    key: ThrottleKey
    throttle: ThrottleState
    credential: Credential | None
    password: str
    device: str = ""


class Login(Component):
    """Opens a session for the password of an account.

    An unknown address costs the same statements and the same hash as a known one.
    """

    units: UnitsOfWork
    throttle_keys: ThrottleKeys
    device_tokens: DeviceTokens
    check_password: CheckPassword
    issue_tokens: IssueTokens
    hasher: PasswordHasher
    directory: UserDirectory
    secrets: SecondFactorSecrets
    record_device: RecordDevice
    clock: Clock
    after_response: AfterResponse

    async def __call__(
        self,
        *,
        email: str,
        password: str,
        device: str = "",
        caller: Caller,
        idempotency: IdempotencyRecord | None = None,
    ) -> Tokens | Challenge:
        """Returns the session's tokens, or a challenge for the second factor.

        Args:
            email: The address.
            password: The password.
            device: The browser's device token; empty without one.
            caller: Who signs in.
            idempotency: The call's record; a retry gets tokens of the session that was opened.

        Raises:
            InvalidCredentials: no such account, or not its password.
            TooManyAttempts: the client has failed at this account too often.
            AccountDisabled: the right password of a deactivated account.
            Unavailable: it cannot be decided now.
        """
        opened = recorded_outcome(idempotency)
        if opened is not None:
            return await reissue_tokens(self.units, self.issue_tokens, opened)
        self.hasher.admit()
        address = canonical_email(email)
        key = self.throttle_keys(address, caller.client_address)
        client = self._client_of(device, key) if device else None
        if client is not None:
            known = replace(key, client=client)
            async with self.check_password.turn(known):
                throttle, credential = await self._look_up(address, known)
                if credential and self.device_tokens.is_current(device, credential.password_hash):
                    attempt = _Attempt(key, known, throttle, credential, password, device)
                    return await self._sign_in(attempt, caller, idempotency)
                await self.check_password.take_back(known, throttle)
        async with self.check_password.turn(key):
            attempt = _Attempt(key, key, *await self._look_up(address, key), password)
            return await self._sign_in(attempt, caller, idempotency)

    def _client_of(self, device: str, key: ThrottleKey) -> bytes | None:
        clients = (self.device_tokens.client(device, each) for each in (key.account, *key.former_accounts))
        return next((client for client in clients if client is not None), None)

    async def _look_up(self, address: str, key: ThrottleKey) -> tuple[ThrottleState, Credential | None]:
        async with self.units.statements() as unit:
            return await unit.sign_ins.look_up(address, key)

    async def _sign_in(
        self, attempt: _Attempt, caller: Caller, idempotency: IdempotencyRecord | None
    ) -> Tokens | Challenge:
        key, credential, password = attempt.key, attempt.credential, attempt.password
        try:
            proven = await self._prove(attempt)
            if proven.second_factor:
                await self.check_password.take_back(key, attempt.throttle)
                return await self._challenge(await self._strengthen(proven, password))
            locked = await self._open_session(proven, attempt, caller, idempotency)
        except (InvalidCredentials, TooManyAttempts, AccountDisabled) as refusal:
            await self._audit_refusal(refusal, credential, caller)
            raise
        tokens = self.issue_tokens(locked)
        await self._report(locked)
        await self.record_device(user_id=proven.user_id, caller=caller)
        strengthened = await self._strengthen(proven, password)
        device = attempt.device
        if device and strengthened is proven and self.device_tokens.client(device, key.account) is not None:
            return replace(tokens, device=device)
        return replace(tokens, device=self.device_tokens.issue(key.account, strengthened.password_hash))

    async def _prove(self, attempt: _Attempt) -> Credential:
        key, throttle, credential = attempt.key, attempt.throttle, attempt.credential
        matches = await self.check_password(
            key, throttle, credential, attempt.password, is_trusted=bool(attempt.device)
        )
        if credential is None or not matches:
            raise InvalidCredentials
        if credential.is_active and not credential.is_pending:
            return credential
        await self.check_password.take_back(key, throttle)
        raise NotAdmittedYet if credential.is_active else AccountDisabled

    async def _challenge(self, proven: Credential) -> Challenge:
        token = self.secrets.challenge()
        async with self.units.transaction() as unit:
            await unit.second_factors.challenge(
                self.secrets.challenge_digest(token), proven.user_id, proven.password_hash
            )
        return Challenge(token=token)

    async def _open_session(
        self, proven: Credential, attempt: _Attempt, caller: Caller, idempotency: IdempotencyRecord | None
    ) -> LockedSession:
        session_id = uuid7()
        entry = audited(
            caller, self.clock.now(), "auth.login", actor_id=proven.user_id, session_id=str(session_id)
        )
        # Under its address a browser's session has counted what it asked passwords for.
        other_key = attempt.address_key if attempt.device else None
        # One statement is enough, unless more is written with it.
        async with (self.units.statements if idempotency is None else self.units.transaction)() as unit:
            await record_outcome(unit, idempotency, session_id)
            opening = await unit.sign_ins.open(
                session_id, proven, attempt.key, entry, PASSWORD, other_key=other_key
            )
            if opening.blocked_for is not None:  # Concurrent attempts were too many.
                raise TooManyAttempts(retry_after_seconds=whole_seconds(opening.blocked_for))
            if opening.locked is None:
                raise Unavailable  # The account has changed since it was read: a retry sees the change.
        return opening.locked

    async def _report(self, locked: LockedSession) -> None:
        """Reports the sign-in to user-service, by call or by event; it depends on neither."""
        user_id = locked.session.user_id
        if await self.directory.record_sign_in(user_id, locked.at):
            return
        with suppress(Unavailable):
            async with self.units.transaction() as unit:
                await unit.outbox.append(SignedIn(user_id, locked.at))

    async def _audit_refusal(
        self, refusal: ServiceError, credential: Credential | None, caller: Caller
    ) -> None:
        disabled = isinstance(refusal, AccountDisabled)
        entry = audited(
            caller,
            self.clock.now(),
            "auth.account_disabled_refused" if disabled else "auth.login_refused",
            "refused",
            subject_id=credential.user_id if credential else None,
            reason=refusal.reason,
        )

        async def note() -> None:
            async with self.units.transaction() as unit:
                await unit.audit.append(entry)

        # Only refusals of known accounts are audited, which takes time: the response must not reveal it.
        await self.after_response(note)

    async def _strengthen(self, proven: Credential, password: str) -> Credential:
        """Hashes the password again if the parameters have become stronger; later if it cannot now."""
        if not self.hasher.is_outdated(proven.password_hash):
            return proven
        try:
            stronger = await self.hasher.hash(password)
            async with self.units.transaction() as unit:
                await unit.credentials.rehash(proven.user_id, proven.password_hash, stronger)
        except (HashingOverloaded, Unavailable):
            return proven
        return replace(proven, password_hash=stronger)

"""Proving again, within a session, who the user is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import Forbidden, Invalid, ServiceError, TokenExpired, TokenRevoked
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller

from auth_service.domain import proof
from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.errors import CredentialChanged, InvalidCredentials, PasskeyRefused, TooManyAttempts
from auth_service.domain.passkey import Passkey, Signed
from auth_service.domain.tokens import Tokens
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from auth_service.usecases.passkey_login import CheckAssertion, CheckedAssertion
from auth_service.usecases.password_check import VerifyPassword
from auth_service.usecases.second_factor import CheckCode
from auth_service.usecases.tokens import IssueTokens, reissue_tokens


class Reauthenticate(Component):
    """Authenticates the user of a session again, with a password and code or a passkey.

    Wrong passwords and wrong codes count like those of a sign-in.
    """

    units: UnitsOfWork
    verify_password: VerifyPassword
    check_code: CheckCode
    check_assertion: CheckAssertion
    issue_tokens: IssueTokens
    clock: Clock

    async def __call__(
        self,
        *,
        password: str | None,
        code: str | None,
        assertion: Mapping[str, Any] | None,
        caller: Caller,
        idempotency: IdempotencyRecord | None = None,
    ) -> Tokens:
        """Returns the session's tokens, with the current `auth_time`.

        Args:
            password: The user's password; None with a passkey.
            code: A code of the second factor, if one is on.
            assertion: A passkey's assertion for signing in; None with a password.
            caller: The user, in a session.
            idempotency: The call's record; a retry gets tokens of the session.

        Raises:
            Invalid: neither password nor passkey, or both; or the code is missing.
            InvalidCredentials: the password or the code is wrong.
            PasskeyRefused: the passkey is not accepted, or is another user's.
            TooManyAttempts: too many failures.
            CredentialChanged: the password was changed at the same time.
            TokenRevoked: the session has ended.
            TokenExpired: the session has expired.
        """
        if caller.session_id is None:
            raise Forbidden
        if recorded_outcome(idempotency) == caller.session_id:
            return await reissue_tokens(self.units, self.issue_tokens, caller.session_id)
        if (password is None) == (assertion is None):
            raise Invalid.on("password", "is required, or `credential` in its place")
        if password is not None:
            return await self._by_password(password, code, caller, caller.session_id, idempotency)
        assert assertion is not None  # noqa: S101 - one of the two is there
        return await self._by_passkey(assertion, caller, caller.session_id, idempotency)

    async def _by_password(
        self,
        password: str,
        code: str | None,
        caller: Caller,
        session_id: UUID,
        idempotency: IdempotencyRecord | None,
    ) -> Tokens:
        user_id = caller.require_user_id()
        async with self.units.statements() as unit:
            known = await unit.credentials.by_id(user_id)
        if known is None:
            raise TokenRevoked
        if not await self.verify_password(user_id=user_id, password=password, caller=caller):
            raise InvalidCredentials
        async with self.units.transaction() as unit:
            credential = await unit.credentials.lock(user_id)
            if credential is None or credential.password_hash != known.password_hash:
                raise CredentialChanged
            try:
                methods = await self._second_step(unit, credential, code)
            except (InvalidCredentials, TooManyAttempts) as refused:
                refusal: ServiceError = refused
            else:
                return await self._renew(unit, session_id, methods, caller, idempotency)
            # The transaction commits, so that the failure counts.
            await self.check_code.audit_refusal(unit, refusal, user_id, caller)
        raise refusal

    async def _second_step(self, unit: UnitOfWork, credential: Credential, code: str | None) -> proof.Methods:
        if not credential.second_factor:
            return proof.PASSWORD
        if code is None:
            raise Invalid.on("code", "is required, since the second factor is on")
        await self.check_code.require_allowed(unit, credential.user_id)
        await self.check_code(unit, credential.user_id, code)
        return proof.PASSWORD_AND_CODE

    async def _by_passkey(
        self,
        assertion: Mapping[str, Any],
        caller: Caller,
        session_id: UUID,
        idempotency: IdempotencyRecord | None,
    ) -> Tokens:
        checked = await self.check_assertion(assertion)
        try:
            passkey, signed = _own(checked, caller)
            async with self.units.transaction() as unit:
                if await unit.credentials.lock(passkey.user_id) is None:
                    raise TokenRevoked
                await self.check_assertion.use(unit, passkey, signed)
                methods = proof.passkey(is_backed_up=signed.is_backed_up)
                return await self._renew(unit, session_id, methods, caller, idempotency)
        except PasskeyRefused as refusal:
            await self.check_assertion.audit_refusal(refusal, checked.passkey, caller)
            raise

    async def _renew(
        self,
        unit: UnitOfWork,
        session_id: UUID,
        methods: proof.Methods,
        caller: Caller,
        idempotency: IdempotencyRecord | None,
    ) -> Tokens:
        locked = await unit.sessions.lock(session_id)
        if locked is None or locked.session.ended_at is not None:
            raise TokenRevoked
        limits, at = self.issue_tokens.limits, locked.at
        session = limits.applied(locked.session)
        if at >= session.expires_at:
            raise TokenExpired
        proven = replace(limits.used(session, at), auth_time=at, amr=methods)
        await unit.sessions.renew(proven)
        await record_outcome(unit, idempotency, session_id)
        entry = audited(
            caller,
            self.clock.now(),
            "auth.reauthenticated",
            session_id=str(session_id),
            amr=" ".join(methods),
        )
        await unit.audit.append(entry)
        return self.issue_tokens(replace(locked, session=proven))


def _own(checked: CheckedAssertion, caller: Caller) -> tuple[Passkey, Signed]:
    passkey, signed = checked.proven()
    if passkey.user_id != caller.user_id:
        raise PasskeyRefused("ANOTHER_USERS")
    return passkey, signed

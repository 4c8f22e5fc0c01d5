"""The second factor: turning it on and off, and checking codes."""

from collections.abc import Sequence
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import Invalid, NotFound, ServiceError, TokenInvalid
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.errors import (
    EmailNotVerified,
    InvalidCredentials,
    SecondFactorOn,
    TooManyAttempts,
    WrongCode,
)
from auth_service.domain.login_throttle import ThrottleKeys, whole_seconds
from auth_service.domain.mail import MailKind
from auth_service.domain.password import WRONG
from auth_service.domain.rights import RightsRule
from auth_service.domain.second_factor import Enrolment, SecondFactorSecrets
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from auth_service.domain.verified_email import VerifiedAddressRule
from auth_service.usecases.enrolment import lock_for_enrolment
from auth_service.usecases.password_check import VerifyPassword
from auth_service.usecases.revocation import revoke_lost_rights
from auth_service.usecases.undo import notify_with_undo


class CheckCode(Component):
    """Spends a code. Wrong codes are counted per user, for all clients, apart from passwords.

    Both steps run under the credential's lock: of concurrent calls with one code, one succeeds.

    Attributes:
        notify: Whether too many wrong codes are reported to the user by mail: they were sent by
            someone with the password.
    """

    secrets: SecondFactorSecrets
    throttle_keys: ThrottleKeys
    notify: bool
    clock: Clock

    async def require_allowed(self, unit: UnitOfWork, user_id: UUID) -> None:
        """Checks that another code may be tried.

        Raises:
            TooManyAttempts: too many were wrong.
        """
        throttle = await unit.login_throttle.state(self.throttle_keys.of_second_factor(user_id))
        if throttle.blocked_for is not None:
            raise TooManyAttempts(retry_after_seconds=whole_seconds(throttle.blocked_for))

    async def __call__(self, unit: UnitOfWork, user_id: UUID, code: str) -> str:
        """Returns what the code is: `totp` or `recovery_code`.

        Raises:
            WrongCode: it is wrong, or was used.
            TokenInvalid: the second factor is not on any more.
        """
        authenticator = await unit.second_factors.authenticator(user_id)
        if authenticator is None or not authenticator.is_confirmed:
            raise TokenInvalid
        step = self.secrets.step_of(authenticator, code, self.clock.now())
        if step is not None and await unit.second_factors.advance(user_id, step):
            return "totp"
        for digest in self.secrets.recovery_digests(user_id, code):
            if await unit.second_factors.spend_recovery_code(user_id, digest):
                return "recovery_code"
        raise WrongCode

    async def audit_refusal(
        self, unit: UnitOfWork, refusal: ServiceError, user_id: UUID | None, caller: Caller
    ) -> None:
        """Counts a wrong code and audits the refusal.

        Args:
            unit: In a transaction that commits although the call is refused.
            refusal: Why.
            user_id: Whose second factor it is; None when unknown.
            caller: Who tried.
        """
        if isinstance(refusal, InvalidCredentials) and user_id is not None:
            throttle = await unit.login_throttle.count_failure(self.throttle_keys.of_second_factor(user_id))
            # No code is counted during a block, so this happens once per block.
            if throttle.blocked_for is not None and self.notify:
                await unit.mails.queue(MailKind.SECOND_FACTOR_GUESSED, user_id)
        entry = audited(
            caller, self.clock.now(), "auth.mfa_refused", "refused", subject_id=user_id, reason=refusal.reason
        )
        await unit.audit.append(entry)


class GetMfa(Component):
    """Says whether the caller's second factor is on."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller) -> int | None:
        """Returns how many recovery codes are left; None when signing in asks for no code."""
        user_id = caller.require_user_id()
        async with self.units.statements() as unit:
            authenticator = await unit.second_factors.authenticator(user_id)
            if authenticator is None or not authenticator.is_confirmed:
                return None
            return await unit.second_factors.count_recovery_codes(user_id)


class BeginTotp(Component):
    """Generates a secret, which the user has to confirm."""

    units: UnitsOfWork
    secrets: SecondFactorSecrets
    address_rule: VerifiedAddressRule

    async def __call__(self, *, caller: Caller) -> Enrolment:
        """Returns the secret.

        Raises:
            EmailNotVerified: the address has to be verified first.
            SecondFactorOn: one is confirmed already.
        """
        user_id = caller.require_user_id()
        async with self.units.transaction() as unit:
            credential = await lock_for_enrolment(unit, caller, self.address_rule)
            enrolment, sealed = self.secrets.seal_new(user_id, credential.email or str(user_id))
            if not await unit.second_factors.begin(user_id, sealed):
                raise SecondFactorOn
        return enrolment


class ConfirmTotp(Component):
    """Turns the second factor on, given a code of the new secret."""

    units: UnitsOfWork
    secrets: SecondFactorSecrets
    address_rule: VerifiedAddressRule
    clock: Clock

    async def __call__(
        self, *, code: str, caller: Caller, idempotency: IdempotencyRecord | None = None
    ) -> Sequence[str]:
        """Returns the recovery codes; for a retry, the same ones.

        Raises:
            Invalid: the code is wrong.
            EmailNotVerified: the address has to be verified first.
            NotFound: no secret waits to be confirmed.
            SecondFactorOn: one is confirmed already.
        """
        if recorded_outcome(idempotency) is not None:
            return self._codes(idempotency)
        try:
            return await self._turn_on(code, caller, idempotency)
        except (Invalid, EmailNotVerified) as refusal:
            entry = audited(caller, self.clock.now(), "auth.mfa_enabled", "refused", reason=refusal.reason)
            async with self.units.transaction() as unit:
                await unit.audit.append(entry)
            raise

    def _codes(self, idempotency: IdempotencyRecord | None) -> Sequence[str]:
        return self.secrets.recovery_codes(idempotency)

    async def _turn_on(
        self, code: str, caller: Caller, idempotency: IdempotencyRecord | None
    ) -> Sequence[str]:
        user_id, now = caller.require_user_id(), self.clock.now()
        codes = self._codes(idempotency)
        async with self.units.transaction() as unit:
            credential = await lock_for_enrolment(unit, caller, self.address_rule)
            authenticator = await unit.second_factors.authenticator(user_id)
            if authenticator is None:
                raise NotFound
            if authenticator.is_confirmed:
                raise SecondFactorOn
            step = self.secrets.step_of(authenticator, code, now)
            if step is None:
                raise Invalid.on("code", "is not the code of this moment")
            digests = [self.secrets.recovery_digests(user_id, each)[0] for each in codes]
            await unit.second_factors.confirm(user_id, step, digests)
            await record_outcome(unit, idempotency, user_id)
            await notify_with_undo(unit, MailKind.SECOND_FACTOR_ON, user_id, credential.email)
            await unit.audit.append(audited(caller, now, "auth.mfa_enabled"))
        return codes


class RemoveTotp(Component):
    """Turns the second factor off; needs the password."""

    units: UnitsOfWork
    verify_password: VerifyPassword
    rights_of: RightsRule
    clock: Clock

    async def __call__(self, *, password: str, caller: Caller) -> None:
        """Turns it off.

        Raises:
            Invalid: the password is wrong.
            TooManyAttempts: the client has failed at this account too often.
            NotFound: it is not on.
        """
        user_id = caller.require_user_id()
        if not await self.verify_password(user_id=user_id, password=password, caller=caller):
            raise Invalid.on("password", WRONG)
        async with self.units.transaction() as unit:
            credential = await unit.credentials.lock(user_id)
            if credential is None or not await unit.second_factors.remove(user_id):
                raise NotFound
            await unit.idempotency.expire(user_id)
            await revoke_lost_rights(unit, credential, self.rights_of)
            await unit.mails.queue(MailKind.SECOND_FACTOR_OFF, user_id)
            await unit.audit.append(audited(caller, self.clock.now(), "auth.mfa_disabled"))

"""Turning the second factor on and off."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.errors import Invalid, NotFound, Unauthenticated
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.errors import EmailNotVerified, SecondFactorOn
from auth_service.domain.idempotency import Attempt
from auth_service.domain.mail import MailKind
from auth_service.domain.rights import RightsRule
from auth_service.domain.second_factor import Enrolment, SecondFactorSecrets
from auth_service.domain.stores import Database
from auth_service.domain.verified_address import VerifiedAddressRule
from auth_service.usecases.notify import notify_with_undo
from auth_service.usecases.revoking import require_open_session, revoke_lost_rights
from auth_service.usecases.settling import outcome_of, settle
from auth_service.usecases.verify_password import VerifyPassword


@dataclass(frozen=True, slots=True)
class BeginTotp:
    """Makes a secret that counts once confirmed."""

    database: Database
    secrets: SecondFactorSecrets
    address_rule: VerifiedAddressRule

    async def __call__(self, *, caller: Caller) -> Enrolment:
        """Returns the secret.

        Raises:
            EmailNotVerified: the address has to be proven first.
            SecondFactorOn: one is confirmed already.
        """
        user_id = caller.person()
        async with self.database.transaction() as stores:
            credential = await stores.credentials.lock(user_id)
            if credential is None:
                raise Unauthenticated
            self.address_rule.check(credential)
            await require_open_session(stores, caller)
            enrolment, sealed = self.secrets.seal_new(user_id, credential.email or str(user_id))
            if not await stores.second_factors.begin(user_id, sealed):
                raise SecondFactorOn
        return enrolment


@dataclass(frozen=True, slots=True)
class ConfirmTotp:
    """Turns the second factor on for whoever has the secret in their app."""

    database: Database
    secrets: SecondFactorSecrets
    address_rule: VerifiedAddressRule
    clock: Clock

    async def __call__(self, *, code: str, caller: Caller, attempt: Attempt | None = None) -> Sequence[str]:
        """Returns the recovery codes, the same ones when the attempt has turned it on before.

        Raises:
            Invalid: the code is wrong.
            EmailNotVerified: the address has to be proven first.
            NotFound: no secret waits to be confirmed.
            SecondFactorOn: one is confirmed already.
        """
        if outcome_of(attempt) is not None:
            return self._codes(attempt)
        try:
            return await self._turn_on(code, caller, attempt)
        except (Invalid, EmailNotVerified) as refusal:
            entry = audited(caller, self.clock.now(), "auth.mfa_enabled", "refused", reason=refusal.reason)
            async with self.database.transaction() as stores:
                await stores.audit.append(entry)
            raise

    def _codes(self, attempt: Attempt | None) -> Sequence[str]:
        return self.secrets.recovery_codes(attempt)

    async def _turn_on(self, code: str, caller: Caller, attempt: Attempt | None) -> Sequence[str]:
        user_id, now = caller.person(), self.clock.now()
        codes = self._codes(attempt)
        async with self.database.transaction() as stores:
            credential = await stores.credentials.lock(user_id)
            if credential is None:
                raise Unauthenticated
            self.address_rule.check(credential)
            await require_open_session(stores, caller)
            authenticator = await stores.second_factors.authenticator(user_id)
            if authenticator is None:
                raise NotFound
            if authenticator.is_confirmed:
                raise SecondFactorOn
            step = self.secrets.step_of(authenticator, code, now)
            if step is None:
                raise Invalid.on("code", "is not the code of this moment")
            digests = [self.secrets.recovery_digests(user_id, each)[0] for each in codes]
            await stores.second_factors.confirm(user_id, step, digests)
            await settle(stores, attempt, user_id)
            await notify_with_undo(stores, MailKind.SECOND_FACTOR_ON, user_id, credential.email)
            await stores.audit.append(audited(caller, now, "auth.mfa_enabled"))
        return codes


@dataclass(frozen=True, slots=True)
class RemoveTotp:
    """Turns the second factor off for whoever knows the password."""

    database: Database
    verify_password: VerifyPassword
    rights_of: RightsRule
    clock: Clock

    async def __call__(self, *, password: str, caller: Caller) -> None:
        """Returns when it is off.

        Raises:
            Invalid: the password is wrong.
            TooManyAttempts: this client has guessed at this account too often.
            NotFound: it is not on.
        """
        user_id = caller.person()
        if not await self.verify_password(user_id=user_id, password=password, caller=caller):
            raise Invalid.on("password", "is not your password")
        async with self.database.transaction() as stores:
            credential = await stores.credentials.lock(user_id)
            if credential is None or not await stores.second_factors.remove(user_id):
                raise NotFound
            await stores.attempts.end(user_id)
            await revoke_lost_rights(stores, credential, self.rights_of)
            await stores.mails.queue(MailKind.SECOND_FACTOR_OFF, user_id)
            await stores.audit.append(audited(caller, self.clock.now(), "auth.mfa_disabled"))

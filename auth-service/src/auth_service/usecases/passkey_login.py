"""Signing in with a passkey."""

from collections.abc import Mapping
from typing import Any

from chassis.clock import Clock
from chassis.component import Component
from chassis.dataclass import dataclass
from chassis.errors import ServiceError
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain import proof
from auth_service.domain.audit import audited
from auth_service.domain.credential import Credential
from auth_service.domain.errors import AccountDisabled, NotAdmittedYet, PasskeyRefused
from auth_service.domain.events import SignedIn
from auth_service.domain.login_throttle import ThrottleKeys
from auth_service.domain.passkey import (
    CHALLENGE_LIFETIME,
    Assertion,
    Ceremony,
    Challenge,
    Passkey,
    RelyingParty,
    Signed,
    digest_of,
    has_gone_back,
)
from auth_service.domain.session import LockedSession
from auth_service.domain.tokens import Tokens
from auth_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from auth_service.usecases.tokens import IssueFirstTokens, reissue_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedAssertion:
    """The result of checking an assertion.

    Attributes:
        passkey: The passkey that it claims to be of; None if unknown.
        signed: What the passkey signed; None if it is refused.
        refusal: Why it is refused; None if it is valid.
    """

    passkey: Passkey | None
    signed: Signed | None = None
    refusal: PasskeyRefused | None = None

    def proven(self) -> tuple[Passkey, Signed]:
        """Returns the passkey and what it signed.

        Raises:
            PasskeyRefused: the assertion is refused.
        """
        if self.refusal is not None:
            raise self.refusal
        assert self.passkey is not None  # noqa: S101 - else there is a refusal
        assert self.signed is not None  # noqa: S101 - else there is a refusal
        return self.passkey, self.signed


class CheckAssertion(Component):
    """Spends the challenge, also if the assertion is refused. The reason is only audited."""

    units: UnitsOfWork
    relying_party: RelyingParty
    clock: Clock

    async def __call__(self, assertion: Mapping[str, Any]) -> CheckedAssertion:
        """Returns the result.

        Raises:
            Invalid: it is malformed.
        """
        claimed = self.relying_party.assertion(assertion)
        challenge = Challenge(digest=digest_of(claimed.challenge), ceremony=Ceremony.SIGN_IN)
        async with self.units.transaction() as unit:
            is_open = await unit.passkeys.spend_challenge(challenge)
            passkey = await unit.passkeys.by_credential_id(claimed.credential_id)
        signed = self.relying_party.signed(assertion, claimed.challenge, passkey)
        refusal = _refusal(claimed, passkey, signed, is_open=is_open)
        return CheckedAssertion(passkey=passkey, signed=signed, refusal=refusal)

    async def require_passkey(self, assertion: Mapping[str, Any]) -> None:
        """Checks that there still is the passkey of an assertion that was accepted before.

        Raises:
            PasskeyRefused: it was removed.
        """
        claimed = self.relying_party.assertion(assertion)
        async with self.units.statements() as unit:
            if await unit.passkeys.by_credential_id(claimed.credential_id) is None:
                raise PasskeyRefused("NO_SUCH_PASSKEY")

    async def use(self, unit: UnitOfWork, passkey: Passkey, signed: Signed) -> None:
        """Records the use of a passkey, in the transaction of what it is used for.

        Raises:
            PasskeyRefused: a copy of it was used at the same time, or it was removed.
        """
        # The counter is compared again in the statement: of two concurrent copies, one is late.
        if not await unit.passkeys.use(passkey.id, signed):
            raise PasskeyRefused("COUNTER_WENT_BACK")

    async def audit_refusal(self, refusal: ServiceError, passkey: Passkey | None, caller: Caller) -> None:
        """Audits that a passkey was refused."""
        reason = refusal.why if isinstance(refusal, PasskeyRefused) else refusal.reason
        entry = audited(
            caller,
            self.clock.now(),
            "auth.passkey_refused",
            "refused",
            subject_id=passkey.user_id if passkey else None,
            passkey_id=str(passkey.id) if passkey else "",
            reason=reason,
        )
        async with self.units.transaction() as unit:
            await unit.audit.append(entry)


def _refusal(
    claimed: Assertion, passkey: Passkey | None, signed: Signed | None, *, is_open: bool
) -> PasskeyRefused | None:
    if not is_open:
        return PasskeyRefused("NO_OPEN_CHALLENGE")
    if passkey is None or claimed.user_handle != passkey.user_id.bytes:
        return PasskeyRefused("NO_SUCH_PASSKEY")
    if signed is None:
        return PasskeyRefused("NOT_SIGNED_BY_IT")
    if has_gone_back(passkey.sign_count, signed.sign_count):
        return PasskeyRefused("COUNTER_WENT_BACK")
    return None


class BeginPasskeyLogin(Component):
    """Opens a challenge for any client: the passkey names the user later."""

    units: UnitsOfWork
    relying_party: RelyingParty

    async def __call__(self) -> Mapping[str, Any]:
        """Returns the options for the browser."""
        fresh = self.relying_party.challenge()
        challenge = Challenge(digest=digest_of(fresh), ceremony=Ceremony.SIGN_IN)
        async with self.units.statements() as unit:
            await unit.passkeys.open_challenge(challenge, CHALLENGE_LIFETIME)
        return self.relying_party.sign_in_options(fresh)


class LoginWithPasskey(Component):
    """Opens a session for a passkey that verified its user.

    That counts as two factors, so no second step follows. The reason of a refusal is only audited.
    """

    units: UnitsOfWork
    check_assertion: CheckAssertion
    throttle_keys: ThrottleKeys
    issue_first_tokens: IssueFirstTokens
    clock: Clock

    async def __call__(
        self, *, assertion: Mapping[str, Any], caller: Caller, idempotency: IdempotencyRecord | None = None
    ) -> Tokens:
        """Returns the session's tokens; for a retry, of the session that was opened.

        Raises:
            Invalid: the assertion is malformed.
            PasskeyRefused: it is for another origin or challenge, was used, is of an unknown passkey or a
                copy, or is not signed.
            AccountDisabled: the right passkey of a deactivated account.
        """
        opened = recorded_outcome(idempotency)
        if opened is not None:
            await self.check_assertion.require_passkey(assertion)
            return await reissue_tokens(self.units, self.issue_first_tokens.issue_tokens, opened)
        checked = await self.check_assertion(assertion)
        try:
            locked, credential = await self._open_session(*checked.proven(), caller, idempotency)
        except (PasskeyRefused, AccountDisabled) as refusal:
            await self.check_assertion.audit_refusal(refusal, checked.passkey, caller)
            raise
        return await self.issue_first_tokens(locked, credential, caller)

    async def _open_session(
        self, passkey: Passkey, signed: Signed, caller: Caller, idempotency: IdempotencyRecord | None
    ) -> tuple[LockedSession, Credential]:
        """Returns the session, and its user's credential."""
        async with self.units.transaction() as unit:
            credential = await unit.credentials.lock(passkey.user_id)
            if credential is None:
                raise PasskeyRefused("NO_SUCH_PASSKEY")
            if not credential.is_active:
                raise AccountDisabled
            if credential.is_pending:
                raise NotAdmittedYet
            await self.check_assertion.use(unit, passkey, signed)
            # Signing in deletes failures of the password; being blocked for them does not matter here.
            await unit.login_throttle.reset(self.throttle_keys.of(credential, caller.client_address))
            now, session_id = self.clock.now(), uuid7()
            await record_outcome(unit, idempotency, session_id)
            entry = audited(
                caller,
                now,
                "auth.login",
                actor_id=passkey.user_id,
                session_id=str(session_id),
                passkey_id=str(passkey.id),
            )
            await unit.outbox.append(SignedIn(passkey.user_id, now))
            methods = proof.passkey(is_backed_up=signed.is_backed_up)
            opening = await unit.sign_ins.open(session_id, credential, None, entry, methods)
            assert opening.locked is not None  # noqa: S101 - the credential is locked, and was active
            return opening.locked, credential

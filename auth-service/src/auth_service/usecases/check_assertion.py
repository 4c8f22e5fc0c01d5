"""One step of several use cases: does a passkey that we know answer an open challenge?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis.clock import Clock
from chassis.errors import ServiceError
from chassis.identity.caller import Caller

from auth_service.domain.audit import audited
from auth_service.domain.errors import PasskeyRefused
from auth_service.domain.passkey import (
    Assertion,
    Ceremony,
    Challenge,
    Passkey,
    RelyingParty,
    Signed,
    digest_of,
    has_gone_back,
)
from auth_service.domain.stores import Database, Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedAssertion:
    """What an assertion came to.

    Attributes:
        passkey: Which passkey it says to be of; None when we know none such.
        signed: What the passkey has signed; None when it is refused.
        refusal: Why it is refused; None when it is good.
    """

    passkey: Passkey | None
    signed: Signed | None = None
    refusal: PasskeyRefused | None = None

    def proven(self) -> tuple[Passkey, Signed]:
        """Returns the passkey and what it has signed.

        Raises:
            PasskeyRefused: the assertion is no good.
        """
        if self.refusal is not None:
            raise self.refusal
        assert self.passkey is not None  # noqa: S101 - else there is a refusal
        assert self.signed is not None  # noqa: S101 - else there is a refusal
        return self.passkey, self.signed


@dataclass(frozen=True, slots=True)
class CheckAssertion:
    """Spends the challenge whatever the assertion is worth. Why one is refused is for the audit alone."""

    database: Database
    relying_party: RelyingParty
    clock: Clock

    async def __call__(self, assertion: Mapping[str, Any]) -> CheckedAssertion:
        """Returns what the assertion came to.

        Raises:
            Invalid: it is malformed.
        """
        claimed = self.relying_party.assertion(assertion)
        challenge = Challenge(digest=digest_of(claimed.challenge), ceremony=Ceremony.SIGN_IN)
        async with self.database.transaction() as stores:
            is_open = await stores.passkeys.spend_challenge(challenge)
            passkey = await stores.passkeys.by_credential_id(claimed.credential_id)
        signed = self.relying_party.signed(assertion, claimed.challenge, passkey)
        refusal = _refusal(claimed, passkey, signed, is_open=is_open)
        return CheckedAssertion(passkey=passkey, signed=signed, refusal=refusal)

    async def use(self, stores: Stores, passkey: Passkey, signed: Signed) -> None:
        """Notes that a passkey was used, in the transaction of what it was used for.

        Raises:
            PasskeyRefused: a copy of it was used at the same time, or it was removed.
        """
        # Compared once more where it is written: of two copies at the same time one is late.
        if not await stores.passkeys.use(passkey.id, signed):
            raise PasskeyRefused("COUNTER_WENT_BACK")

    async def note_refusal(self, refusal: ServiceError, passkey: Passkey | None, caller: Caller) -> None:
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
        async with self.database.transaction() as stores:
            await stores.audit.append(entry)


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

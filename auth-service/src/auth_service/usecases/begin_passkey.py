"""Beginning to add a passkey."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis.errors import Invalid, Unauthenticated
from chassis.identity.caller import Caller

from auth_service.domain.errors import TooManyPasskeys
from auth_service.domain.passkey import (
    CHALLENGE_LIFETIME,
    PASSKEYS_MAX,
    Ceremony,
    Challenge,
    RelyingParty,
    digest_of,
)
from auth_service.domain.stores import Database
from auth_service.domain.verified_address import VerifiedAddressRule
from auth_service.usecases.revoking import require_open_session
from auth_service.usecases.verify_password import VerifyPassword


@dataclass(frozen=True, slots=True)
class BeginPasskey:
    """Opens a challenge for whoever knows the password, so that a stolen session adds no way in."""

    database: Database
    relying_party: RelyingParty
    verify_password: VerifyPassword
    address_rule: VerifiedAddressRule

    async def __call__(self, *, password: str, caller: Caller) -> Mapping[str, Any]:
        """Returns the options for the browser.

        Raises:
            Invalid: the password is wrong.
            EmailNotVerified: the address has to be proven first.
            TooManyAttempts: this client has guessed at this account too often.
            TooManyPasskeys: the person has `PASSKEYS_MAX`.
        """
        user_id = caller.person()
        if not await self.verify_password(user_id=user_id, password=password, caller=caller):
            raise Invalid.on("password", "is not your password")
        fresh = self.relying_party.challenge()
        challenge = Challenge(
            digest=digest_of(fresh),
            ceremony=Ceremony.REGISTRATION,
            user_id=user_id,
            session_id=caller.session_id,
        )
        async with self.database.transaction() as stores:
            credential = await stores.credentials.lock(user_id)
            if credential is None:
                raise Unauthenticated
            self.address_rule.check(credential)
            await require_open_session(stores, caller)
            known = await stores.passkeys.of_person(user_id)
            if len(known) >= PASSKEYS_MAX:
                raise TooManyPasskeys
            await stores.passkeys.open_challenge(challenge, CHALLENGE_LIFETIME)
        account = credential.email or str(user_id)
        return self.relying_party.registration_options(user_id, account, fresh, known)

"""Beginning to sign in with a passkey."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auth_service.domain.passkey import CHALLENGE_LIFETIME, Ceremony, Challenge, RelyingParty, digest_of
from auth_service.domain.stores import Database


@dataclass(frozen=True, slots=True)
class BeginPasskeyLogin:
    """Opens a challenge for anybody: who it is will be seen from the passkey."""

    database: Database
    relying_party: RelyingParty

    async def __call__(self) -> Mapping[str, Any]:
        """Returns the options for the browser."""
        fresh = self.relying_party.challenge()
        challenge = Challenge(digest=digest_of(fresh), ceremony=Ceremony.SIGN_IN)
        async with self.database.statements() as stores:
            await stores.passkeys.open_challenge(challenge, CHALLENGE_LIFETIME)
        return self.relying_party.sign_in_options(fresh)

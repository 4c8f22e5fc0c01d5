"""Passkeys: what is kept of them, and the ceremonies in which they are made and used (WebAuthn)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

PASSKEYS_MAX = 20
"""Passkeys that one user may have."""

CHALLENGE_LIFETIME = timedelta(minutes=5)


class Ceremony(StrEnum):
    """What a challenge is for; it counts for nothing else."""

    REGISTRATION = "registration"
    SIGN_IN = "sign_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey as it is kept: its public half.

    Attributes:
        name: As the user calls it.
        credential_id: As the authenticator calls it; unique among all users'.
        public_key: In COSE form.
        sign_count: What its counter last said; 0 for ever where it does not count.
        transports: How the browser reaches it, in the words of WebAuthn.
        is_backed_up: Whether it is on other devices of the user's as well.
        last_used_at: None before the first sign-in.
    """

    id: UUID
    user_id: UUID
    name: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: Sequence[str] = ()
    is_backed_up: bool = False
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    """What an authenticator that made a passkey says of it; see `Passkey`."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: Sequence[str] = ()
    is_backed_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """Something that nobody could have signed before; of it, the digest is kept.

    Attributes:
        user_id: Who registers; None at a sign-in, where that is yet to be seen.
        session_id: The session in which the password was given.
    """

    digest: bytes
    ceremony: Ceremony
    user_id: UUID | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What somebody who signs in with a passkey says, before any of it is believed.

    Attributes:
        user_handle: The user's id, as the authenticator has kept it.
    """

    credential_id: bytes
    user_handle: bytes
    challenge: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a passkey's signature has shown to be true."""

    sign_count: int
    is_backed_up: bool


def digest_of(challenge: bytes) -> bytes:
    """Returns what is kept of a challenge. It holds 256 bits of chance, so a plain hash is enough."""
    return hashlib.sha256(challenge).digest()


def has_gone_back(kept: int, told: int) -> bool:
    """Whether a counter shows a copy of its authenticator; one that stays at 0 tells nothing."""
    return (kept > 0 or told > 0) and told <= kept


class RelyingParty(Protocol):
    """Speaks WebAuthn: writes options for browsers and judges what comes back."""

    def challenge(self) -> bytes:
        """Returns 256 bits that nobody can guess."""
        ...

    def registration_options(
        self, user_id: UUID, account: str, challenge: bytes, known: Sequence[Passkey]
    ) -> Mapping[str, Any]:
        """Returns what `navigator.credentials.create` takes, as JSON; `known` ones are not made again."""
        ...

    def sign_in_options(self, challenge: bytes) -> Mapping[str, Any]:
        """Returns what `navigator.credentials.get` takes, as JSON."""
        ...

    def challenge_in(self, attestation: Mapping[str, Any]) -> bytes:
        """Returns the challenge that an attestation says it answers.

        Raises:
            Invalid: it is none.
        """
        ...

    def attested(self, attestation: Mapping[str, Any], challenge: bytes) -> NewPasskey:
        """Returns the passkey that an attestation tells of.

        Raises:
            Invalid: it is of another origin, another party, without the user's consent, or forged.
        """
        ...

    def assertion(self, assertion: Mapping[str, Any]) -> Assertion:
        """Returns what an assertion says.

        Raises:
            Invalid: it is none.
        """
        ...

    def signed(
        self, assertion: Mapping[str, Any], challenge: bytes, passkey: Passkey | None
    ) -> Signed | None:
        """Returns what the passkey signed; None when it did not, at the same cost for no passkey at all."""
        ...


class PasskeyRepository(Protocol):
    """Keeps passkeys and open challenges."""

    async def open_challenge(self, challenge: Challenge, lifetime: timedelta) -> None:
        """Keeps a challenge for that time."""
        ...

    async def spend_challenge(self, challenge: Challenge) -> bool:
        """Uses a challenge up; says whether it was open, and for just this."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[Passkey]:
        """Returns a user's passkeys, the oldest first."""
        ...

    async def by_credential_id(self, credential_id: bytes) -> Passkey | None:
        """Returns the passkey that an authenticator calls so."""
        ...

    async def add(self, passkey_id: UUID, user_id: UUID, name: str, made: NewPasskey) -> Passkey:
        """Keeps a passkey.

        Raises:
            PasskeyRegistered: somebody has it already.
        """
        ...

    async def use(self, passkey_id: UUID, signed: Signed) -> bool:
        """Notes a sign-in; False when the counter has not risen, or the passkey is gone."""
        ...

    async def remove(self, passkey_id: UUID, user_id: UUID) -> bool:
        """Forgets a user's passkey; says whether there was one."""
        ...

    async def remove_all(self, user_id: UUID) -> None:
        """Forgets every passkey of a user."""
        ...

    async def close_challenges(self, user_id: UUID) -> None:
        """Ends the registrations of passkeys that a user has begun."""
        ...

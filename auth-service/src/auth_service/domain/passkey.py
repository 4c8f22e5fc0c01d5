"""Passkeys: their public halves, and the WebAuthn ceremonies that create and use them."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from chassis.dataclass import dataclass

PASSKEYS_MAX = 20
"""Passkeys per user."""

CHALLENGE_LIFETIME = timedelta(minutes=5)


class Ceremony(StrEnum):
    """What a challenge is for; it is valid for nothing else."""

    REGISTRATION = "registration"
    SIGN_IN = "sign_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey's public half.

    Attributes:
        name: The user's name for it.
        credential_id: The authenticator's id for it, unique among all users'.
        public_key: In COSE form.
        sign_count: The authenticator's last counter; always 0 if it does not count.
        transports: How the browser reaches it, as in WebAuthn.
        is_backed_up: Whether it is on other devices of the user as well.
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
    """A passkey that an authenticator has created; see `Passkey`."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: Sequence[str] = ()
    is_backed_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A WebAuthn challenge; only its SHA-256 is stored.

    Attributes:
        user_id: The user who registers a passkey; None at a sign-in, where the passkey names the user.
        session_id: The session of the registration.
    """

    digest: bytes
    ceremony: Ceremony
    user_id: UUID | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What a sign-in with a passkey claims, before it is verified.

    Attributes:
        user_handle: The user's id, as the authenticator stored it.
    """

    credential_id: bytes
    user_handle: bytes
    challenge: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a passkey's signature proves."""

    sign_count: int
    is_backed_up: bool


def digest_of(challenge: bytes) -> bytes:
    """Returns a challenge's digest. The challenge has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(challenge).digest()


def has_gone_back(stored: int, sent: int) -> bool:
    """Whether a counter reveals a copy of its authenticator; one that stays at 0 reveals nothing."""
    return (stored > 0 or sent > 0) and sent <= stored


class RelyingParty(Protocol):
    """Creates WebAuthn options for browsers, and verifies their responses."""

    def challenge(self) -> bytes:
        """Returns 256 random bits."""
        ...

    def registration_options(
        self, user_id: UUID, account: str, challenge: bytes, known: Sequence[Passkey]
    ) -> Mapping[str, Any]:
        """Returns the JSON for `navigator.credentials.create`, which refuses authenticators of `known`."""
        ...

    def sign_in_options(self, challenge: bytes) -> Mapping[str, Any]:
        """Returns the JSON for `navigator.credentials.get`."""
        ...

    def challenge_in(self, attestation: Mapping[str, Any]) -> bytes:
        """Returns the challenge that an attestation claims to answer.

        Raises:
            Invalid: it is malformed.
        """
        ...

    def attested(self, attestation: Mapping[str, Any], challenge: bytes) -> NewPasskey:
        """Returns the passkey of an attestation.

        Raises:
            Invalid: it is for another origin or party, without the user's consent, or forged.
        """
        ...

    def assertion(self, assertion: Mapping[str, Any]) -> Assertion:
        """Returns what an assertion claims.

        Raises:
            Invalid: it is malformed.
        """
        ...

    def signed(
        self, assertion: Mapping[str, Any], challenge: bytes, passkey: Passkey | None
    ) -> Signed | None:
        """Returns what the passkey signed; None if it did not. Costs the same without a passkey."""
        ...


class PasskeyRepository(Protocol):
    """Stores passkeys and open challenges."""

    async def open_challenge(self, challenge: Challenge, lifetime: timedelta) -> None:
        """Stores a challenge for that time."""
        ...

    async def spend_challenge(self, challenge: Challenge) -> bool:
        """Deletes a challenge; says whether it was open, and for this ceremony, user and session."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[Passkey]:
        """Returns a user's passkeys, the oldest first."""
        ...

    async def by_credential_id(self, credential_id: bytes) -> Passkey | None:
        """Returns the passkey with this id."""
        ...

    async def add(self, passkey_id: UUID, user_id: UUID, name: str, made: NewPasskey) -> Passkey:
        """Stores a passkey.

        Raises:
            PasskeyRegistered: it is registered, for this user or another.
        """
        ...

    async def use(self, passkey_id: UUID, signed: Signed) -> bool:
        """Records a sign-in; False if the counter has not risen, or the passkey is gone."""
        ...

    async def remove(self, passkey_id: UUID, user_id: UUID) -> bool:
        """Deletes a user's passkey; says whether there was one."""
        ...

    async def remove_all(self, user_id: UUID) -> None:
        """Deletes every passkey of a user."""
        ...

    async def close_challenges(self, user_id: UUID) -> None:
        """Deletes the challenges of a user's registrations."""
        ...

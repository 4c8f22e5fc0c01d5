"""The second factor: authenticators, recovery codes, and sign-ins that wait for a code."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.idempotency.record import IdempotencyRecord

METHODS = ("totp", "recovery_code")
CHALLENGE_LIFETIME = timedelta(minutes=5)
RECOVERY_CODES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """A user's authenticator app.

    Attributes:
        sealed_secret: The secret, encrypted under the master key.
        last_step: The last time step whose code was accepted; -1 before the first.
        is_confirmed: Whether the app has proved that it has the secret.
    """

    user_id: UUID
    sealed_secret: bytes
    last_step: int = -1
    is_confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A new secret as the user sees it."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A sign-in that waits for its second factor.

    Attributes:
        token: Identifies the sign-in; for one use.
        methods: The accepted methods.
    """

    token: str
    methods: Sequence[str] = METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSignIn:
    """What is stored of a challenge.

    Attributes:
        password_hash: The hash of the user's password: the challenge ends with it.
    """

    user_id: UUID
    password_hash: str
    expires_at: datetime


class SecondFactorSecrets(Protocol):
    """Generates, seals and checks the secrets of second factors."""

    def seal_new(self, user_id: UUID, account: str) -> tuple[Enrolment, bytes]:
        """Returns a new secret to show, and the same secret sealed."""
        ...

    def step_of(self, authenticator: Authenticator, code: str, at: datetime) -> int | None:
        """Returns the code's time step; None if no step near `at` has this code."""
        ...

    def recovery_codes(self, idempotency: IdempotencyRecord | None = None) -> Sequence[str]:
        """Returns new recovery codes; the same ones for the same idempotency record."""
        ...

    def recovery_digests(self, user_id: UUID, code: str) -> Sequence[bytes]:
        """Returns the digests of a recovery code, however typed; the first is the one to store."""
        ...

    def challenge(self) -> str:
        """Returns a random token."""
        ...

    def challenge_digest(self, token: str) -> bytes:
        """Returns the digest of a challenge's token."""
        ...


class SecondFactorRepository(Protocol):
    """Stores authenticators, recovery codes and challenges."""

    async def authenticator(self, user_id: UUID) -> Authenticator | None:
        """Returns a user's authenticator."""
        ...

    async def begin(self, user_id: UUID, sealed_secret: bytes) -> bool:
        """Stores an unconfirmed authenticator in place of another; False if one is confirmed."""
        ...

    async def confirm(self, user_id: UUID, step: int, recovery: Sequence[bytes]) -> None:
        """Confirms a user's authenticator, and stores the digests of recovery codes."""
        ...

    async def remove(self, user_id: UUID) -> bool:
        """Deletes a user's authenticator, codes and challenges; says whether the second factor was on."""
        ...

    async def discard_unfinished(self, user_id: UUID) -> None:
        """Deletes an unconfirmed authenticator, and sign-ins that wait for a code."""
        ...

    async def advance(self, user_id: UUID, step: int) -> bool:
        """Ends the codes up to this time step; says whether this one was still valid."""
        ...

    async def count_recovery_codes(self, user_id: UUID) -> int:
        """Returns how many recovery codes a user has left."""
        ...

    async def spend_recovery_code(self, user_id: UUID, digest: bytes) -> bool:
        """Deletes a recovery code; says whether there was one."""
        ...

    async def challenge(self, digest: bytes, credential_id: UUID, password_hash: str) -> None:
        """Stores a challenge for `CHALLENGE_LIFETIME`."""
        ...

    async def pending(self, digest: bytes) -> tuple[PendingSignIn, datetime] | None:
        """Returns a challenge, and the current time."""
        ...

    async def close(self, digest: bytes) -> bool:
        """Deletes a challenge; says whether there was one."""
        ...

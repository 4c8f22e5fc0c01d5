"""The second factor: what is kept of it, and when a code counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from auth_service.domain.idempotency import IdempotencyRecord

METHODS = ("totp", "recovery_code")
CHALLENGE_LIFETIME = timedelta(minutes=5)
RECOVERY_CODES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """A user's authenticator app.

    Attributes:
        sealed_secret: The secret, readable under the master key alone.
        last_step: The last time step whose code was accepted; -1 before the first.
        is_confirmed: Whether the app has shown that it has the secret.
    """

    user_id: UUID
    sealed_secret: bytes
    last_step: int = -1
    is_confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A new secret, as it is shown to the user."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A sign-in that waits for its second factor.

    Attributes:
        token: Names the sign-in; for one use.
        methods: What is accepted.
    """

    token: str
    methods: Sequence[str] = METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSignIn:
    """What is kept of a challenge.

    Attributes:
        password_hash: The hash of the password that was given: the challenge ends with it.
    """

    user_id: UUID
    password_hash: str
    expires_at: datetime


class SecondFactorSecrets(Protocol):
    """Makes, seals and checks what second factors consist of."""

    def seal_new(self, user_id: UUID, account: str) -> tuple[Enrolment, bytes]:
        """Returns a new secret to show, and the same one sealed."""
        ...

    def step_of(self, authenticator: Authenticator, code: str, at: datetime) -> int | None:
        """Returns the time step that the code belongs to; None when it is none near `at`."""
        ...

    def recovery_codes(self, idempotency: IdempotencyRecord | None = None) -> Sequence[str]:
        """Returns new recovery codes, the same ones each time for an attempt."""
        ...

    def recovery_digests(self, user_id: UUID, code: str) -> Sequence[bytes]:
        """Returns what may be kept of a recovery code, however typed: the first is what is kept now."""
        ...

    def challenge(self) -> str:
        """Returns a token that nobody can guess."""
        ...

    def challenge_digest(self, token: str) -> bytes:
        """Returns what is kept of a challenge's token."""
        ...


class SecondFactorRepository(Protocol):
    """Keeps authenticators, recovery codes and challenges."""

    async def authenticator(self, user_id: UUID) -> Authenticator | None:
        """Returns a user's authenticator."""
        ...

    async def begin(self, user_id: UUID, sealed_secret: bytes) -> bool:
        """Keeps an unconfirmed authenticator in place of another; False when one is confirmed."""
        ...

    async def confirm(self, user_id: UUID, step: int, recovery: Sequence[bytes]) -> None:
        """Makes a user's authenticator count, with these recovery codes."""
        ...

    async def remove(self, user_id: UUID) -> bool:
        """Forgets everything about a user's second factor; says whether it was on."""
        ...

    async def discard_unfinished(self, user_id: UUID) -> None:
        """Forgets an authenticator that was not confirmed, and sign-ins that wait for a code."""
        ...

    async def advance(self, user_id: UUID, step: int) -> bool:
        """Uses up every code until this time step; says whether this one was still good."""
        ...

    async def spend_recovery_code(self, user_id: UUID, digest: bytes) -> bool:
        """Uses a recovery code up; says whether there was one."""
        ...

    async def challenge(self, digest: bytes, credential_id: UUID, password_hash: str) -> None:
        """Keeps a challenge for `CHALLENGE_LIFETIME`."""
        ...

    async def pending(self, digest: bytes) -> tuple[PendingSignIn, datetime] | None:
        """Returns a challenge, and the time."""
        ...

    async def close(self, digest: bytes) -> bool:
        """Uses a challenge up; says whether there was one."""
        ...

"""Second factors in memory, with codes for all to read."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from auth_service.domain.idempotency import IdempotencyRecord
from auth_service.domain.second_factor import (
    CHALLENGE_LIFETIME,
    RECOVERY_CODES,
    Authenticator,
    Enrolment,
    PendingSignIn,
)

from tests.fakes.auth_service.state import FakeClock, State


class FakeSecondFactorSecrets:
    """Takes the number of the step as its code."""

    def seal_new(self, user_id: UUID, account: str) -> tuple[Enrolment, bytes]:
        """Returns a new secret."""
        return Enrolment(secret="secret", uri=f"otpauth://totp/{account}"), b"secret"

    def step_of(self, authenticator: Authenticator, code: str, at: datetime) -> int | None:
        """Returns the step that the code is, if it is near and not yet used."""
        present = int(at.timestamp()) // 30
        near = code.isdecimal() and abs(int(code) - present) <= 1 and int(code) > authenticator.last_step
        return int(code) if near else None

    def recovery_codes(self, idempotency: IdempotencyRecord | None = None) -> Sequence[str]:
        """Returns new recovery codes."""
        return [f"code-{number}" for number in range(RECOVERY_CODES)]

    def recovery_digests(self, user_id: UUID, code: str) -> Sequence[bytes]:
        """Returns the code."""
        return [code.encode()]

    def challenge(self) -> str:
        """Returns a token."""
        return str(uuid4())

    def challenge_digest(self, token: str) -> bytes:
        """Returns the token."""
        return token.encode()


class FakeSecondFactors:
    """`SecondFactorRepository` in dictionaries."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._state = state
        self._clock = clock

    async def authenticator(self, user_id: UUID) -> Authenticator | None:
        """Returns a user's authenticator."""
        return self._state.authenticators.get(user_id)

    async def begin(self, user_id: UUID, sealed_secret: bytes) -> bool:
        """Keeps an unconfirmed authenticator."""
        known = self._state.authenticators.get(user_id)
        if known is not None and known.is_confirmed:
            return False
        self._state.authenticators[user_id] = Authenticator(user_id=user_id, sealed_secret=sealed_secret)
        return True

    async def confirm(self, user_id: UUID, step: int, recovery: Sequence[bytes]) -> None:
        """Makes a user's authenticator count."""
        known = self._state.authenticators[user_id]
        self._state.authenticators[user_id] = replace(known, last_step=step, is_confirmed=True)
        self._state.recovery_codes[user_id] = set(recovery)
        self._flag(user_id, on=True)

    async def remove(self, user_id: UUID) -> bool:
        """Forgets everything about a user's second factor."""
        known = self._state.authenticators.pop(user_id, None)
        self._state.recovery_codes.pop(user_id, None)
        for digest in [key for key, row in self._state.challenges.items() if row.user_id == user_id]:
            del self._state.challenges[digest]
        self._flag(user_id, on=False)
        return known is not None and known.is_confirmed

    async def discard_unfinished(self, user_id: UUID) -> None:
        """Forgets an authenticator that was not confirmed, and sign-ins that wait for a code."""
        for digest in [key for key, row in self._state.challenges.items() if row.user_id == user_id]:
            del self._state.challenges[digest]
        known = self._state.authenticators.get(user_id)
        if known is not None and not known.is_confirmed:
            del self._state.authenticators[user_id]

    async def advance(self, user_id: UUID, step: int) -> bool:
        """Uses up every code until this time step."""
        known = self._state.authenticators.get(user_id)
        if known is None or not known.is_confirmed or known.last_step >= step:
            return False
        self._state.authenticators[user_id] = replace(known, last_step=step)
        return True

    async def spend_recovery_code(self, user_id: UUID, digest: bytes) -> bool:
        """Uses a recovery code up."""
        codes = self._state.recovery_codes.get(user_id, set())
        if digest not in codes:
            return False
        codes.remove(digest)
        return True

    async def challenge(self, digest: bytes, credential_id: UUID, password_hash: str) -> None:
        """Keeps a challenge."""
        self._state.challenges[digest] = PendingSignIn(
            user_id=credential_id,
            password_hash=password_hash,
            expires_at=self._clock.now() + CHALLENGE_LIFETIME,
        )

    async def pending(self, digest: bytes) -> tuple[PendingSignIn, datetime] | None:
        """Returns a challenge, and the time."""
        found = self._state.challenges.get(digest)
        return None if found is None else (found, self._clock.now())

    async def close(self, digest: bytes) -> bool:
        """Uses a challenge up."""
        return self._state.challenges.pop(digest, None) is not None

    def _flag(self, user_id: UUID, *, on: bool) -> None:
        row = self._state.credentials[user_id]
        row.credential = replace(row.credential, second_factor=on)

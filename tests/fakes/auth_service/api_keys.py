"""API keys in memory, with secrets for all to read."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from auth_service.domain.api_key import USE_NOTED_EVERY, ApiKey, DrawnKey, KeyHolder
from auth_service.domain.idempotency import IdempotencyRecord

from tests.fakes.auth_service.state import FakeClock, State


class FakeApiKeySecrets:
    """Counts: `vst_0/secret`, `vst_1/secret`; the digest is the key itself."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def draw(self, idempotency: IdempotencyRecord | None = None) -> DrawnKey:
        """Returns a new key."""
        prefix = f"vst_{idempotency.attempt_id if idempotency else next(self._numbers)}"
        return DrawnKey(text=f"{prefix}/secret", prefix=prefix, digest=f"{prefix}/secret".encode())

    def prefix(self, text: str) -> str | None:
        """Returns what stands before the secret."""
        prefix, slash, _ = text.partition("/")
        return prefix if slash else None

    def matches(self, text: str, digest: bytes) -> bool:
        """Whether this is the key."""
        return text.encode() == digest

    def digest(self, text: str) -> bytes:
        """Returns the key."""
        return text.encode()


class FakeApiKeys:
    """`ApiKeyRepository` in a dictionary."""

    def __init__(self, state: State, clock: FakeClock) -> None:
        self._state = state
        self._rows = state.api_keys
        self._clock = clock

    async def add(self, key: ApiKey) -> None:
        """Adds a key."""
        self._rows[key.id] = key

    async def of_user(self, user_id: UUID) -> Sequence[ApiKey]:
        """Returns a user's keys that were not revoked, the newest first."""
        mine = [key for key in self._rows.values() if key.user_id == user_id and key.revoked_at is None]
        return sorted(mine, key=lambda key: (key.created_at, key.id), reverse=True)

    async def by_id(self, key_id: UUID) -> ApiKey | None:
        """Returns a key."""
        return self._rows.get(key_id)

    async def find(self, prefix: str) -> KeyHolder | None:
        """Returns the key that begins so, with its user."""
        for key in self._rows.values():
            if key.prefix == prefix:
                owner = self._state.credentials[key.user_id].credential
                has_passkey = any(each.user_id == key.user_id for each in self._state.passkeys.values())
                return KeyHolder(
                    key=key,
                    role=owner.role,
                    is_active=owner.is_active,
                    read_at=self._clock.now(),
                    guarded=owner.second_factor or has_passkey,
                )
        return None

    async def revoke(self, key_id: UUID, user_id: UUID) -> bool:
        """Revokes a user's key."""
        key = self._rows.get(key_id)
        if key is None or key.user_id != user_id or key.revoked_at is not None:
            return False
        self._rows[key_id] = replace(key, revoked_at=self._clock.now())
        return True

    async def revoke_all(self, user_id: UUID) -> None:
        """Revokes every key of a user."""
        for key in await self.of_user(user_id):
            await self.revoke(key.id, user_id)

    async def keep_digest(self, key_id: UUID, digest: bytes) -> None:
        """Keeps another digest of a key."""
        self._rows[key_id] = replace(self._rows[key_id], digest=digest)

    async def note_use(self, key_id: UUID) -> None:
        """Notes that a key was used."""
        key, now = self._rows[key_id], self._clock.now()
        if key.last_used_at is None or now - key.last_used_at >= USE_NOTED_EVERY:
            self._rows[key_id] = replace(key, last_used_at=now)

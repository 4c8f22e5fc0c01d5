"""API keys, by which machines act for a user. Only a key's prefix and digest are stored."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked
from chassis.idempotency.record import IdempotencyRecord
from chassis.identity.role import Role

ADMIN_SCOPE = "admin"
"""Needed for admin calls, besides `read` or `write`."""

SCOPES = ("read", "write", ADMIN_SCOPE)
KEYS_MAX = 50
"""Keys per user, expired ones included."""

LIFETIME_MAX = timedelta(days=3653)
"""The latest expiry: ten years from now. A key without an expiry never expires."""

USE_NOTED_EVERY = timedelta(minutes=1)
"""How often a use is recorded, so that verifying a key does not write each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is stored.

    Attributes:
        scopes: A subset of `SCOPES`.
        prefix: Its first characters, unique.
        digest: HMAC of the whole key.
        expires_at: None for never.
        last_used_at: Accurate to `USE_NOTED_EVERY`; None before the first use.
        revoked_at: None while it is valid.
    """

    id: UUID
    user_id: UUID
    name: str
    scopes: Sequence[str]
    prefix: str
    digest: bytes
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyHolder:
    """A key with its user.

    Attributes:
        role: The user's role; once the key is verified, the role that the key acts in.
        is_active: Whether the user is active.
        has_two_factors: As `RightsRule` takes it.
        must_enrol: Whether the key is refused until the user has set up a second factor.
        read_at: When this was read, by the clock of the key's times.
    """

    key: ApiKey
    role: Role
    is_active: bool
    read_at: datetime
    has_two_factors: bool = False
    must_enrol: bool = False

    def check(self) -> None:
        """Checks that the key is valid.

        Raises:
            TokenRevoked: it was revoked, or its user is deactivated.
            TokenExpired: it has expired.
        """
        if self.key.revoked_at is not None or not self.is_active:
            raise TokenRevoked
        if self.key.expires_at is not None and self.read_at >= self.key.expires_at:
            raise TokenExpired

    @property
    def is_use_due(self) -> bool:
        """Whether a use now is to be recorded."""
        last = self.key.last_used_at
        return last is None or self.read_at - last >= USE_NOTED_EVERY


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnKey:
    """A new key.

    Attributes:
        text: The whole key, shown once and never stored.
        prefix: Its first characters.
        digest: HMAC of the whole key.
    """

    text: str
    prefix: str
    digest: bytes


class ApiKeySecrets(Protocol):
    """Generates and compares keys."""

    def draw(self, idempotency: IdempotencyRecord | None = None) -> DrawnKey:
        """Returns a new random key; the same one for the same idempotency record."""
        ...

    def prefix(self, text: str) -> str | None:
        """Returns a key's prefix; None when the text is no key."""
        ...

    def matches(self, text: str, digest: bytes) -> bool:
        """Whether the digest is this key's; takes constant time."""
        ...

    def digest(self, text: str) -> bytes:
        """Returns a key's HMAC."""
        ...


class ApiKeyRepository(Protocol):
    """Stores API keys."""

    async def add(self, key: ApiKey) -> None:
        """Adds a key."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[ApiKey]:
        """Returns a user's keys that are not revoked, the newest first."""
        ...

    async def by_id(self, key_id: UUID) -> ApiKey | None:
        """Returns a key."""
        ...

    async def find(self, prefix: str) -> KeyHolder | None:
        """Returns the key with this prefix, and its user."""
        ...

    async def revoke(self, key_id: UUID, user_id: UUID) -> bool:
        """Revokes a user's key; says whether there was one."""
        ...

    async def revoke_all(self, user_id: UUID) -> None:
        """Revokes every key of a user."""
        ...

    async def keep_digest(self, key_id: UUID, digest: bytes) -> None:
        """Replaces a key's digest by one that is made with the current master key."""
        ...

    async def note_use(self, key_id: UUID) -> None:
        """Records a use, unless one was recorded within `USE_NOTED_EVERY`."""
        ...


def verified_holder(holder: KeyHolder | None, text: str, secrets: ApiKeySecrets) -> KeyHolder:
    """Returns the holder if the text is the whole key; takes the same time if there is none.

    Raises:
        TokenInvalid: no such key.
    """
    digest = bytes(32) if holder is None else holder.key.digest
    if not secrets.matches(text, digest) or holder is None:
        raise TokenInvalid
    return holder

"""API keys: how machines act for a user. Of a key its prefix and a digest are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked

from auth_service.domain.idempotency import IdempotencyRecord
from auth_service.domain.user import Role

ADMIN_SCOPE = "admin"
"""For what only admins may do, besides the scope for reading or changing."""

SCOPES = ("read", "write", ADMIN_SCOPE)
KEYS_MAX = 50
"""Keys that one user may have at a time, expired ones as well."""

LIFETIME_MAX = timedelta(days=3653)
"""How far from now a key may expire: ten years. Who wants longer leaves the time out."""

USE_NOTED_EVERY = timedelta(minutes=1)
"""How often a use is written down; reading a key must not cost a write each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept.

    Attributes:
        scopes: What it may do, of `SCOPES`.
        prefix: How it begins; no two keys begin alike.
        digest: The whole key under an HMAC.
        expires_at: When it stops to work; None for never.
        last_used_at: Give or take `USE_NOTED_EVERY`; None before the first time.
        revoked_at: None while it counts.
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
        role: The user's; once the key is judged, the role to act in.
        is_active: Whether the user may do anything.
        guarded: Whether two factors stand before the user's account: TOTP is on, or there is a passkey.
        must_enrol: Whether the key does nothing until its user has set up a second factor.
        read_at: When this was read, by the same clock as the key's times.
    """

    key: ApiKey
    role: Role
    is_active: bool
    read_at: datetime
    guarded: bool = False
    must_enrol: bool = False

    def check(self) -> None:
        """Returns when the key is good.

        Raises:
            TokenRevoked: it was revoked, or its user is deactivated.
            TokenExpired: it has lived its time.
        """
        if self.key.revoked_at is not None or not self.is_active:
            raise TokenRevoked
        if self.key.expires_at is not None and self.read_at >= self.key.expires_at:
            raise TokenExpired

    @property
    def use_is_news(self) -> bool:
        """Whether a use of the key now is worth writing down."""
        last = self.key.last_used_at
        return last is None or self.read_at - last >= USE_NOTED_EVERY


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnKey:
    """A new key.

    Attributes:
        text: The whole key, which is shown once and never kept.
        prefix: How it begins.
        digest: What is kept of it.
    """

    text: str
    prefix: str
    digest: bytes


class ApiKeySecrets(Protocol):
    """Draws keys and tells a good one."""

    def draw(self, idempotency: IdempotencyRecord | None = None) -> DrawnKey:
        """Returns a new key that nobody can guess, the same one each time for an attempt."""
        ...

    def prefix(self, text: str) -> str | None:
        """Returns what a key is found by; None when the text cannot be a key."""
        ...

    def matches(self, text: str, digest: bytes) -> bool:
        """Whether this is the key of the digest, in the same time whatever differs."""
        ...

    def digest(self, text: str) -> bytes:
        """Returns what is kept of a key."""
        ...


class ApiKeyRepository(Protocol):
    """Keeps API keys."""

    async def add(self, key: ApiKey) -> None:
        """Adds a key."""
        ...

    async def of_user(self, user_id: UUID) -> Sequence[ApiKey]:
        """Returns a user's keys that were not revoked, the newest first."""
        ...

    async def by_id(self, key_id: UUID) -> ApiKey | None:
        """Returns a key."""
        ...

    async def find(self, prefix: str) -> KeyHolder | None:
        """Returns the key that begins so, with its user."""
        ...

    async def revoke(self, key_id: UUID, user_id: UUID) -> bool:
        """Revokes a user's key; says whether there was one."""
        ...

    async def revoke_all(self, user_id: UUID) -> None:
        """Revokes every key of a user."""
        ...

    async def keep_digest(self, key_id: UUID, digest: bytes) -> None:
        """Keeps another digest of a key, made with the master key of today."""
        ...

    async def note_use(self, key_id: UUID) -> None:
        """Notes that a key was used, unless that was noted within `USE_NOTED_EVERY`."""
        ...


def found(holder: KeyHolder | None, text: str, secrets: ApiKeySecrets) -> KeyHolder:
    """Returns the holder when the text is the whole key.

    Raises:
        TokenInvalid: there is no such key.
    """
    digest = bytes(32) if holder is None else holder.key.digest
    if not secrets.matches(text, digest) or holder is None:
        raise TokenInvalid
    return holder

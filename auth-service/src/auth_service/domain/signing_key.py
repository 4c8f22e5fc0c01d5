"""Signing keys: published, then active, then retired, by time alone.

A key is in the JWKS from `published_at` until `removed_from`. It signs from `active_from`
until the next key is active. Signer and JWKS ask the same functions, so what signs is
always published, and what was signed can be verified until it expires. Once it is retired
its private half is destroyed; its public half stays, for signatures that must be verified
after years.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from chassis.clock import CLOCK_SKEW
from chassis.dataclass import dataclass

from auth_service.domain.session import TOKENS_LIVE

RELOAD = timedelta(seconds=30)
"""How long a process may take to load a new key."""

JWKS_CACHED = timedelta(minutes=5) + RELOAD + CLOCK_SKEW
"""How old a verifier's JWKS may be: cached for five minutes as we allow, read from a process that had
not loaded the newest key, by a clock that differs."""

OUTLIVES = TOKENS_LIVE + RELOAD + CLOCK_SKEW
"""How long a key stays published after its successor became active: until the last token that a process
with a slow clock signed before it loaded the successor has expired for a lenient verifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """An ECDSA P-256 key pair.

    Attributes:
        kid: The key's RFC 7638 thumbprint.
        x: Coordinate of the public point, base64url.
        y: Coordinate of the public point, base64url.
        sealed_private_key: The private half, encrypted under the master key.
        published_at: When it was added to the JWKS.
        active_from: When it may sign.
        removed_from: When it leaves the JWKS; None before it has a successor.
    """

    kid: str
    x: str
    y: str
    sealed_private_key: bytes
    published_at: datetime
    active_from: datetime
    removed_from: datetime | None = None


def published(keys: Sequence[SigningKey], at: datetime) -> tuple[SigningKey, ...]:
    """Returns the keys by which tokens verify, the newest first."""
    shown = [
        key for key in keys if key.published_at <= at and (key.removed_from is None or at < key.removed_from)
    ]
    # The very first key signs at once; a clock that is behind Postgres' must not hide it.
    shown = shown or sorted(keys, key=lambda key: key.published_at)[:1]
    return tuple(sorted(shown, key=lambda key: key.active_from, reverse=True))


def signing(keys: Sequence[SigningKey], at: datetime) -> SigningKey | None:
    """Returns the key that signs; None without any key."""
    candidates = published(keys, at)
    active = [key for key in candidates if key.active_from <= at]
    # The newest comes first: without an active key, the very first one signs.
    return next(iter([*active, *reversed(candidates)]), None)


class KeyState(StrEnum):
    """The state of a key."""

    PUBLISHED = "published"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredKey:
    """A key's public half, which is kept for ever.

    Attributes:
        kid: The key's RFC 7638 thumbprint.
        x: Coordinate of the public point, base64url.
        y: Coordinate of the public point, base64url.
        attestation: Proves, by the master key, that the key was ours.
        later_attestations: The same by later master keys.
        active_from: When it began to sign.
        removed_from: When it left the JWKS.
    """

    kid: str
    x: str
    y: str
    attestation: bytes
    later_attestations: Sequence[bytes] = ()
    published_at: datetime
    active_from: datetime
    removed_from: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When keys are rotated.

    Attributes:
        every: How long a key signs.
        published_for: How long a key is published before it signs.
    """

    every: timedelta
    published_for: timedelta


def state(key: SigningKey, keys: Sequence[SigningKey], at: datetime) -> KeyState:
    """Returns the state of a key."""
    if key not in published(keys, at):
        return KeyState.PUBLISHED if at < key.published_at else KeyState.RETIRED
    if key == signing(keys, at):
        return KeyState.ACTIVE
    return KeyState.PUBLISHED if at < key.active_from else KeyState.RETIRING


def waiting(keys: Sequence[SigningKey], at: datetime) -> SigningKey | None:
    """Returns the key that is published and does not sign yet."""
    return next((key for key in keys if at < key.active_from), None)


def is_due(keys: Sequence[SigningKey], at: datetime, schedule: Schedule) -> bool:
    """Whether a successor has to be published now, to sign when the newest key has signed its time."""
    newest = max((key.active_from for key in keys), default=None)
    return newest is not None and at >= newest + schedule.every - schedule.published_for


def succeeded(keys: Sequence[SigningKey], successor: SigningKey) -> Sequence[SigningKey]:
    """Returns the keys whose end the successor decides, each with the time of its end."""
    end = successor.active_from + OUTLIVES
    return [
        replace(key, removed_from=end)
        for key in keys
        if key.kid != successor.kid and (key.removed_from is None or key.removed_from > end)
    ]


def retired(keys: Sequence[SigningKey], at: datetime) -> Sequence[SigningKey]:
    """Returns the keys whose private half is not needed any more."""
    shown = published(keys, at)
    return [
        key for key in keys if key.removed_from is not None and key.removed_from <= at and key not in shown
    ]


class KeySealer(Protocol):
    """Generates key pairs, and seals their private halves under the master key."""

    def generate(self, at: datetime, active_from: datetime | None = None) -> SigningKey:
        """Returns a new key, published from then on, and active from then on or from later."""
        ...

    def attest(self, key: SigningKey) -> bytes:
        """Returns what proves for ever, with the master key, that the public half is ours.

        Raises:
            MasterKeyMismatch: the key was sealed under another master key.
        """
        ...

    def check(self, key: SigningKey) -> None:
        """Checks that the key's private half can be opened.

        Raises:
            MasterKeyMismatch: it was sealed under another master key.
        """
        ...


class PublishedKeys(Protocol):
    """The keys that verify tokens now."""

    def published(self) -> Sequence[SigningKey]:
        """Returns them, the newest first."""
        ...


class SigningKeyRepository(Protocol):
    """Stores the signing keys, their private halves sealed."""

    async def all(self) -> Sequence[SigningKey]:
        """Returns every key, the oldest first."""
        ...

    async def lock(self) -> None:
        """Locks the keys against other instances until the end of the transaction."""
        ...

    async def add(self, key: SigningKey) -> None:
        """Adds a key."""
        ...

    async def end(self, key: SigningKey) -> None:
        """Stores when a key leaves the JWKS."""
        ...

    async def retire(self, key: RetiredKey) -> None:
        """Deletes a key's private half, and keeps its public half for ever."""
        ...

    async def retired(self) -> Sequence[RetiredKey]:
        """Returns every retired key, the oldest first."""
        ...

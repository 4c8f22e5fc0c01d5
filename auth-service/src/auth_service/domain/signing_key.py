"""Signing keys: published, then active, then retired, by time alone.

A key is in the JWKS from `published_at` until `removed_from`. It signs from `active_from`
until the next key is active. Signer and JWKS ask the same functions, so what signs is
always published, and what was signed can be verified until it expires.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """An ECDSA P-256 key pair.

    Attributes:
        kid: The key's RFC 7638 thumbprint.
        x: Coordinate of the public point, base64url.
        y: Coordinate of the public point, base64url.
        sealed_private_key: The private half, encrypted under the master key.
        published_at: When the JWKS began to show it.
        active_from: When it may sign.
        removed_from: When the JWKS stops showing it; None while no successor is planned.
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
    # The first key of all signs at once; a clock that is behind Postgres' must not hide it.
    shown = shown or sorted(keys, key=lambda key: key.published_at)[:1]
    return tuple(sorted(shown, key=lambda key: key.active_from, reverse=True))


def signing(keys: Sequence[SigningKey], at: datetime) -> SigningKey | None:
    """Returns the key that signs; None when there is no key at all."""
    candidates = published(keys, at)
    active = [key for key in candidates if key.active_from <= at]
    # Keys come the newest first: without an active one, the first ever made signs.
    return next(iter([*active, *reversed(candidates)]), None)

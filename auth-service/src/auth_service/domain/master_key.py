"""Replacing the master key: what is resealed, and what ends by itself."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass

from auth_service.domain.signing_key import RetiredKey, SigningKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """What may depend on a former master key.

    Attributes:
        what: The kind.
        count: How many there are.
        until: When the last of them ends by itself; None if they do not.
    """

    what: str
    count: int
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResealReport:
    """The result of resealing.

    Attributes:
        resealed: Rows that were sealed or attested with the current key.
        since: Since when only the current key is written with; None if that is unknown.
        is_mixed: Whether a process may still write with another key.
        remainders: What still depends on a former key.
    """

    resealed: int
    since: datetime | None
    is_mixed: bool
    remainders: Sequence[Remainder]

    @property
    def is_done(self) -> bool:
        """Whether former master keys can be removed from the settings."""
        is_left = any(each.count for each in self.remainders)
        return self.since is not None and not self.is_mixed and not is_left


class KeyFollower(Protocol):
    """Seals with the current master key what was sealed with a former one."""

    @property
    def key_id(self) -> str:
        """Identifies the current master key."""
        ...

    def signing_key(self, key: SigningKey) -> SigningKey | None:
        """Returns the key resealed; None if that is not needed.

        Raises:
            MasterKeyMismatch: no accepted key opens it.
        """
        ...

    def attestation(self, key: RetiredKey) -> bytes | None:
        """Returns a new attestation; None if that is not needed."""
        ...

    def authenticator(self, user_id: UUID, sealed_secret: bytes) -> bytes | None:
        """Returns the secret resealed; None if that is not needed.

        Raises:
            MasterKeyMismatch: no accepted key opens it.
        """
        ...


class ResealRepository(Protocol):
    """Reads and replaces everything that depends on the master key."""

    async def signing_keys(self) -> Sequence[SigningKey]:
        """Returns the signing keys, without the retired ones."""
        ...

    async def retired_keys(self) -> Sequence[RetiredKey]:
        """Returns the retired signing keys."""
        ...

    def authenticators(self) -> AsyncIterator[tuple[UUID, bytes]]:
        """Yields users and the sealed secrets of their authenticators."""
        ...

    async def keep_signing_key(self, before: SigningKey, after: SigningKey) -> None:
        """Replaces a sealed private key, unless it has changed meanwhile."""
        ...

    async def keep_attestation(self, kid: str, attestation: bytes) -> None:
        """Adds an attestation to those of a retired key."""
        ...

    async def keep_authenticator(self, user_id: UUID, before: bytes, after: bytes) -> None:
        """Replaces a sealed secret, unless it has changed meanwhile."""
        ...

    async def written_since(self, key_id: str) -> tuple[datetime | None, bool]:
        """Returns since when only that key is written with, and whether another may still be."""
        ...

    async def remainders(self, since: datetime | None) -> Sequence[Remainder]:
        """Returns what was written before then; None for all."""
        ...

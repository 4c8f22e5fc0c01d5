"""Following one master key by another: what is made again, and what has to wait for its time."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from auth_service.domain.signing_key import RetiredKey, SigningKey

NOTED_EVERY = timedelta(minutes=1)
"""How often a process notes the master key that it writes with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """What may have been made with a master key before that of today.

    Attributes:
        what: Of which kind it is.
        count: How many there are.
        until: When the last of them ends by itself; None when they do not.
    """

    what: str
    count: int
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResealReport:
    """What resealing came to.

    Attributes:
        resealed: How many rows were sealed or attested with the key of today.
        since: Since when nothing is written with another key; None when it is not known.
        is_mixed: Whether a process may still write with another key.
        remainders: What is left.
    """

    resealed: int
    since: datetime | None
    is_mixed: bool
    remainders: Sequence[Remainder]

    @property
    def is_done(self) -> bool:
        """Whether master keys before that of today can be dropped."""
        is_left = any(each.count for each in self.remainders)
        return self.since is not None and not self.is_mixed and not is_left


class KeyFollower(Protocol):
    """Makes with the master key of today what was made with another."""

    @property
    def key_id(self) -> str:
        """Names the master key of today."""
        ...

    def signing_key(self, key: SigningKey) -> SigningKey | None:
        """Returns the key sealed again; None when that is not needed.

        Raises:
            MasterKeyMismatch: no accepted key opens it.
        """
        ...

    def attestation(self, key: RetiredKey) -> bytes | None:
        """Returns another attestation; None when that is not needed."""
        ...

    def authenticator(self, user_id: UUID, sealed_secret: bytes) -> bytes | None:
        """Returns the secret sealed again; None when that is not needed.

        Raises:
            MasterKeyMismatch: no accepted key opens it.
        """
        ...


class ResealRepository(Protocol):
    """Reaches everything that depends on the master key."""

    async def signing_keys(self) -> Sequence[SigningKey]:
        """Returns the signing keys that are not retired."""
        ...

    async def retired_keys(self) -> Sequence[RetiredKey]:
        """Returns the retired ones."""
        ...

    def authenticators(self) -> AsyncIterator[tuple[UUID, bytes]]:
        """Yields users and their sealed secrets."""
        ...

    async def keep_signing_key(self, before: SigningKey, after: SigningKey) -> None:
        """Replaces a sealed private half, unless it has changed meanwhile."""
        ...

    async def keep_attestation(self, kid: str, attestation: bytes) -> None:
        """Adds an attestation to those of a retired key."""
        ...

    async def keep_authenticator(self, user_id: UUID, before: bytes, after: bytes) -> None:
        """Replaces a sealed secret, unless it has changed meanwhile."""
        ...

    async def written_since(self, key_id: str) -> tuple[datetime | None, bool]:
        """Returns since when that key alone is written with, and whether another may still be."""
        ...

    async def remainders(self, since: datetime | None) -> Sequence[Remainder]:
        """Returns what was made before then; None for whatever there is."""
        ...

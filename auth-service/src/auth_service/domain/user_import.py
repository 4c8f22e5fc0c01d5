"""Users who come from another system: a row of the file, and what becomes of it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.role import Role

BATCH = 500
"""Rows that are stored together, as many as user-service takes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """A row that can be imported as far as it itself shows.

    Attributes:
        line: Its line in the file, from 1.
        email_verified: Whether the other system verified the address.
        created_at: When the user was created in the other system.
        password_hash: As the other system's library wrote it; None for a user without a password.
        totp_secret: In base32; None without a second factor.
    """

    line: int
    email: str
    full_name: str
    role: Role
    is_active: bool
    email_verified: bool
    created_at: datetime
    password_hash: str | None
    totp_secret: str | None


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is not imported.

    Attributes:
        reason: Why, without what the row holds.
    """

    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedAccount:
    """A row as it is stored.

    Attributes:
        user_id: The same whenever this address is imported with this time of creation.
        sealed_secret: The secret of the second factor, encrypted under the master key.
    """

    user_id: UUID
    row: ImportRow
    password_hash: str
    sealed_secret: bytes | None


class Presence(Enum):
    """Whether an account of a row exists."""

    NEW = auto()
    PENDING = auto()
    IMPORTED = auto()
    TAKEN = auto()


class Admission(Enum):
    """What user-service answers about an imported user."""

    CREATED = auto()
    EXISTS = auto()
    EMAIL_TAKEN = auto()
    ERASED = auto()

    @property
    def is_refusal(self) -> bool:
        """Whether the user is not imported."""
        return self in (Admission.EMAIL_TAKEN, Admission.ERASED)


class ImportFile(Protocol):
    """The file, which is read twice: to check it and to import it."""

    @property
    def digest(self) -> str:
        """The SHA-256 of the file, in hexadecimal."""
        ...

    def rows(self) -> Iterator[ImportRow | RefusedRow]:
        """Yields every row in order; blank lines have none."""
        ...


class ImportIds(Protocol):
    """Derives the ids of imported users, so that a repeated import finds them."""

    def of(self, row: ImportRow) -> Sequence[UUID]:
        """Returns the id under each accepted master key; a new user gets the first."""
        ...


class ImportSecrets(Protocol):
    """Seals the secrets of second factors."""

    def seal(self, user_id: UUID, secret: str) -> bytes:
        """Returns a secret in base32, encrypted for its user alone."""
        ...


class ImportDirectory(Protocol):
    """user-service, which owns the users' records."""

    async def import_users(
        self, accounts: Sequence[ImportedAccount], *, check_only: bool
    ) -> Sequence[Admission]:
        """Creates users, or says what creating them would lead to; in their order. Idempotent.

        Raises:
            Unavailable: user-service is unreachable.
        """
        ...


class ImportRepository(Protocol):
    """Stores the credentials of many users at a time."""

    async def presences(self, rows: Sequence[tuple[Sequence[UUID], str]]) -> list[tuple[UUID, Presence]]:
        """Returns the id of each row's account, and whether it exists.

        Args:
            rows: The ids that the user may have, the one for a new user first, and the canonical address.
        """
        ...

    async def add_pending(self, accounts: Sequence[ImportedAccount]) -> set[UUID]:
        """Stores credentials until user-service has admitted their users.

        Returns:
            The users. One whose id or address exists by now is left out.
        """
        ...

    async def activate(self, user_ids: Sequence[UUID]) -> frozenset[UUID]:
        """Turns pending credentials into active ones; returns whose were pending."""
        ...

    async def drop(self, user_ids: Sequence[UUID]) -> None:
        """Deletes pending credentials."""
        ...


class ImportProgress(Protocol):
    """Follows an import."""

    def advanced(self, step: str, rows: int) -> None:
        """`rows` rows have been checked or imported."""
        ...

    def exists(self, line: int, user_id: UUID) -> None:
        """A row's user exists, by this import or an earlier one."""
        ...

    def refused(self, row: RefusedRow) -> None:
        """A row is not imported."""
        ...

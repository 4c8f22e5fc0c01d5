"""What remains of an erased user."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Records that a user existed, without any personal data.

    Attributes:
        version: Greater than any version that the user had.
    """

    user_id: UUID
    version: int
    erased_at: datetime


class TombstoneRepository(Protocol):
    """The stored tombstones."""

    async def insert(self, tombstone: Tombstone) -> None:
        """Records that a user was erased."""
        ...

    async def find(self, user_id: UUID) -> Tombstone | None:
        """Returns the tombstone of an erased user; None when there is none."""
        ...

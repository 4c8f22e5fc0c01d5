"""Users who are imported from another system."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Protocol

from user_service.domain.user import User


class ImportResult(Enum):
    """What became of an imported user, or would become of one."""

    CREATED = auto()
    EXISTS = auto()
    EMAIL_TAKEN = auto()
    ERASED = auto()


class ImportRepository(Protocol):
    """Looks up and stores many users at a time."""

    async def results(self, users: Sequence[User]) -> list[ImportResult]:
        """Returns what inserting each user would lead to, in their order."""
        ...

    async def insert(self, users: Sequence[User]) -> int:
        """Adds users; returns how many. One whose id or address exists by now is left out."""
        ...

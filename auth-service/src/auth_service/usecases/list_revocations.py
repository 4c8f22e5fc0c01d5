"""What has been taken back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from auth_service.domain.stores import Database
from auth_service.domain.tokens import Revocation


@dataclass(frozen=True, slots=True)
class ListRevocations:
    """Returns every revocation that can still concern a token."""

    database: Database

    async def __call__(self) -> tuple[Sequence[Revocation], datetime]:
        """Returns them, and when Postgres was read."""
        async with self.database.statements() as stores:
            return await stores.revocations.in_force()

"""Erased users: `users.tombstones`."""

from uuid import UUID

from chassis.dataclass import dataclass
from chassis.postgres.connection import Connection

from user_service.domain.tombstone import Tombstone


@dataclass(frozen=True, slots=True)
class PostgresTombstones:
    """`TombstoneRepository` on one connection."""

    connection: Connection

    async def insert(self, tombstone: Tombstone) -> None:
        """Records that a user was erased."""
        await self.connection.execute(
            "INSERT INTO users.tombstones (user_id, version, erased_at) VALUES ($1, $2, $3)",
            tombstone.user_id,
            tombstone.version,
            tombstone.erased_at,
        )

    async def find(self, user_id: UUID) -> Tombstone | None:
        """Returns the tombstone of an erased user; None when there is none."""
        row = await self.connection.fetchrow(
            "SELECT user_id, version, erased_at FROM users.tombstones WHERE user_id = $1", user_id
        )
        return None if row is None else Tombstone(row["user_id"], row["version"], row["erased_at"])

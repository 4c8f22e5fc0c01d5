"""The erased users: `knowledge.erased_owners`."""

from uuid import UUID

from chassis.dataclass import dataclass
from chassis.postgres.connection import Connection, rows_affected


@dataclass(frozen=True, slots=True)
class PostgresOwners:
    """`OwnerRepository` on one connection, which must be in a transaction."""

    connection: Connection

    async def admit(self, user_id: UUID) -> bool:
        """Whether the user is not erased, and cannot be until the transaction ends."""
        await self.connection.execute(
            "SELECT pg_advisory_xact_lock_shared(hashtextextended('knowledge:' || $1::text, 0))", str(user_id)
        )
        # A separate statement, because its snapshot must be taken after the lock.
        row = await self.connection.fetchrow(
            "SELECT FROM knowledge.erased_owners WHERE user_id = $1", user_id
        )
        return row is None

    async def erase(self, user_id: UUID) -> bool:
        """Records that a user is erased; returns whether it was not recorded before."""
        await self.connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('knowledge:' || $1::text, 0))", str(user_id)
        )
        tag = await self.connection.execute(
            "INSERT INTO knowledge.erased_owners (user_id) VALUES ($1) ON CONFLICT DO NOTHING", user_id
        )
        return rows_affected(tag) == 1

"""The clients behind audit events, kept until auth-service has fetched them: `knowledge.audit_clients`."""

from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.audit_client import AuditClient
from chassis.postgres.connection import Connection
from chassis.text import storable


@dataclass(frozen=True, slots=True)
class PostgresAuditClients:
    """`AuditClientRepository` on one connection."""

    connection: Connection

    async def find(self, event_id: UUID) -> AuditClient | None:
        """Returns the client behind an audit event; None when erased or expired."""
        row = await self.connection.fetchrow(
            "SELECT ip, user_agent, request_id FROM knowledge.audit_clients WHERE event_id = $1", event_id
        )
        return None if row is None else AuditClient(**dict(row))

    async def erase(self, user_id: UUID) -> None:
        """Deletes every client of a user."""
        await self.connection.execute("DELETE FROM knowledge.audit_clients WHERE user_id = $1", user_id)


async def insert(connection: Connection, event_id: UUID, user_id: UUID | None, client: AuditClient) -> None:
    """Stores the client behind an event, unless the user was erased before or in this transaction."""
    await connection.execute(
        """
        INSERT INTO knowledge.audit_clients (event_id, user_id, ip, user_agent, request_id)
        SELECT $1, $2, $3, $4, $5
         WHERE $2::uuid IS NULL OR NOT EXISTS (SELECT FROM knowledge.erased_owners WHERE user_id = $2)
        """,
        event_id,
        user_id,
        *map(storable, (client.ip, client.user_agent, client.request_id)),
    )

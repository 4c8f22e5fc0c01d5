"""Whom audit events came from: `users.audit_clients`, until auth-service has fetched it."""

from dataclasses import dataclass
from uuid import UUID

from chassis.postgres.connection import Transaction
from chassis.postgres.pool import Database

from user_service.domain.audit import AuditClient


@dataclass(frozen=True, slots=True)
class PostgresAuditClients:
    """`AuditClients` by single reads."""

    database: Database

    async def find(self, event_id: UUID) -> AuditClient | None:
        """Returns whom an event came from; None once that is erased or has served its time."""
        row = await self.database.fetchrow(
            "SELECT ip, user_agent, request_id FROM users.audit_clients WHERE event_id = $1", event_id
        )
        return None if row is None else AuditClient(**dict(row))


async def insert(
    transaction: Transaction, event_id: UUID, person_id: UUID | None, client: AuditClient
) -> None:
    """Keeps whom an event came from, unless the person is erased in this very transaction or before."""
    await transaction.execute(
        """
        INSERT INTO users.audit_clients (event_id, person_id, ip, user_agent, request_id)
        SELECT $1, $2, $3, $4, $5
         WHERE $2::uuid IS NULL OR NOT EXISTS (SELECT FROM users.tombstones WHERE user_id = $2)
        """,
        event_id,
        person_id,
        *(text.replace("\0", "\N{REPLACEMENT CHARACTER}") for text in (client.ip, client.user_agent)),
        client.request_id.replace("\0", "\N{REPLACEMENT CHARACTER}"),
    )


async def erase(transaction: Transaction, person_id: UUID) -> None:
    """Forgets everything that came from a person."""
    await transaction.execute("DELETE FROM users.audit_clients WHERE person_id = $1", person_id)

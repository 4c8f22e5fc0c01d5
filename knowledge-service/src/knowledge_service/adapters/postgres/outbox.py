"""Events, written to the outbox in the transaction of the change."""

from uuid import UUID

from chassis.dataclass import dataclass
from chassis.events.outbox import Outbox
from chassis.postgres.connection import Connection, Transaction
from vestibule.events.v1.events_pb2 import AuditRecorded, Event

from knowledge_service.adapters.postgres import audit_clients
from knowledge_service.domain.audit import AuditEntry

OUTBOX = Outbox(schema="knowledge", source="knowledge-service")


@dataclass(frozen=True, slots=True)
class PostgresOutbox:
    """`Outbox` on one connection, which must be in a transaction."""

    connection: Connection

    async def audit(self, entry: AuditEntry) -> None:
        """Adds an entry to the audit trail, which auth-service keeps; it fetches the client by event id."""
        if not isinstance(self.connection, Transaction):
            raise TypeError("an event is written in the transaction of the change that it reports")
        recorded = AuditRecorded(
            actor_id=str(entry.actor_id or ""),
            subject_id=str(entry.subject_id or ""),
            action=entry.action,
            outcome=entry.outcome,
            request_id=entry.request_id,
            details=dict(entry.details),
            client_kept=entry.client is not None,
        )
        event = await OUTBOX.append(self.connection, Event(audit_recorded=recorded))
        if entry.client is not None:
            user_id = entry.actor_id or entry.subject_id
            await audit_clients.insert(self.connection, UUID(event.event_id), user_id, entry.client)

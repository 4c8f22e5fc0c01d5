"""Events, written to the outbox in the transaction of the change."""

from dataclasses import dataclass

from chassis.events.outbox import Outbox
from chassis.postgres.connection import Connection, Transaction
from vestibule.events.v1.events_pb2 import AuditRecorded, Event

from knowledge_service.domain.audit import AuditEntry

OUTBOX = Outbox(schema="knowledge", source="knowledge-service")


@dataclass(frozen=True, slots=True)
class PostgresOutbox:
    """`Outbox` on one connection, which must be in a transaction."""

    connection: Connection

    async def audit(self, entry: AuditEntry) -> None:
        """Adds an entry to the audit trail, which auth-service keeps."""
        if not isinstance(self.connection, Transaction):
            raise TypeError("an event is written in the transaction of the change that it reports")
        recorded = AuditRecorded(
            actor_id=str(entry.actor_id or ""),
            subject_id=str(entry.subject_id or ""),
            action=entry.action,
            outcome=entry.outcome,
            request_id=entry.request_id,
            details=dict(entry.details),
        )
        await OUTBOX.append(self.connection, Event(audit_recorded=recorded))

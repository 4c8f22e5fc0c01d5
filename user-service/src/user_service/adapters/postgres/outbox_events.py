"""Events, written to the outbox in the transaction of the change that they tell of."""

from dataclasses import dataclass
from uuid import UUID

from chassis.events.outbox import Outbox
from chassis.postgres.connection import Transaction
from vestibule.events.v1.events_pb2 import AuditRecorded, Event, UserChanged

from user_service.adapters.postgres import audit_clients
from user_service.domain.audit import AuditEntry


@dataclass(frozen=True, slots=True)
class OutboxEvents:
    """What other services are told, if and only if the transaction commits.

    Attributes:
        outbox: Where it is written.
        transaction: The one that commits it.
        carries_clients: Whether audit events name whom they came from, as the release before reads them:
            only while it may handle them.
    """

    outbox: Outbox
    transaction: Transaction
    carries_clients: bool = False

    async def user_changed(self, user_id: UUID) -> None:
        """Tells that a person was created, changed or erased."""
        changed = UserChanged(user_id=str(user_id))
        await self.outbox.append(self.transaction, Event(tags=[_tag(user_id)], user_changed=changed))

    async def user_stale(self, user_id: UUID) -> None:
        """Tells that copies of a person for reading are out of date, and nothing more."""
        await self.outbox.append(self.transaction, Event(tags=[_tag(user_id)]))

    async def audit(self, entry: AuditEntry) -> None:
        """Adds to the audit trail, which auth-service keeps, and fetches whom it came from."""
        client = entry.client
        recorded = AuditRecorded(
            actor_id=str(entry.actor_id or ""),
            subject_id=str(entry.subject_id or ""),
            action=entry.action,
            outcome=entry.outcome,
            request_id=entry.request_id,
            details=dict(entry.details),
            client_kept=client is not None,
        )
        if self.carries_clients:
            recorded.ip = entry.actor.client_address
            recorded.user_agent = entry.actor.user_agent
            recorded.request_id = entry.actor.request_id
        event = await self.outbox.append(self.transaction, Event(audit_recorded=recorded))
        if client is not None:
            person_id = entry.actor_id or entry.subject_id
            await audit_clients.insert(self.transaction, UUID(event.event_id), person_id, client)


def _tag(user_id: UUID) -> str:
    return f"user:{user_id}"

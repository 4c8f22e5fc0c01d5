"""Events, written to the outbox in the transaction of the change."""

from collections.abc import Collection
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.events.outbox import Outbox
from chassis.postgres.connection import Connection, Transaction
from vestibule.events.v1.events_pb2 import AuditRecorded, Event, UserChanged

from user_service.adapters.postgres import audit_clients
from user_service.domain.audit import AuditEntry

OUTBOX = Outbox(schema="users", source="user-service")


@dataclass(frozen=True, slots=True)
class PostgresOutbox:
    """`Outbox` on one connection, which must be in a transaction.

    Attributes:
        carries_clients: Whether audit events contain the client, as the previous release expects; only
            while it may still handle them.
    """

    connection: Connection
    carries_clients: bool = False

    async def user_changed(self, user_id: UUID) -> None:
        """A user was created, changed or erased."""
        await self._append(Event(tags=[tag(user_id)], user_changed=UserChanged(user_id=str(user_id))))

    async def drop_cached_users(self, user_ids: Collection[UUID]) -> None:
        """Cached copies of users are out of date; nothing that other services copy has changed."""
        await self._append(Event(tags=map(tag, user_ids)))

    async def audit(self, entry: AuditEntry) -> None:
        """Adds an entry to the audit trail, which auth-service keeps; it fetches the client by event id."""
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
        event = await self._append(Event(audit_recorded=recorded))
        if client is not None:
            user_id = entry.actor_id or entry.subject_id
            await audit_clients.insert(self.connection, UUID(event.event_id), user_id, client)

    async def _append(self, event: Event) -> Event:
        if not isinstance(self.connection, Transaction):
            raise TypeError("an event is written in the transaction of the change that it reports")
        return await OUTBOX.append(self.connection, event)


def tag(user_id: UUID) -> str:
    """Returns what gateways keep copies of a user under."""
    return f"user:{user_id}"

"""Handlers of events, of other services and our own: they finish what a direct call did not."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from chassis.events.consumer import Handler
from chassis.grpc.timestamps import datetime_of
from chassis.identity.caller import Caller
from chassis.text import storable
from vestibule.events.v1.events_pb2 import Event

from auth_service.domain.audit import AuditEntry
from auth_service.domain.audit_client import COMMITMENT
from auth_service.usecases.audit import RecordAudit
from auth_service.usecases.ports import Ports

_ACTIONS = {
    "user-service": ("users", "events"),
    "knowledge-service": ("knowledge", "events"),
    "voice-service": ("voice",),
}
"""How the actions of another service's audit entries may begin: it may not write those of others."""

_ACTION = re.compile(r"([a-z]{1,20})\.[a-z_]{1,40}")
_OUTCOMES = frozenset({"success", "refused", "failed"})


def event_handlers(ports: Ports) -> Mapping[str, Handler]:
    """Returns a handler per member of an event's payload; each is idempotent."""

    async def user_changed(event: Event) -> None:
        await ports.sync_account(
            user_id=UUID(event.user_changed.user_id), caller=Caller(service=event.source)
        )

    async def audit_recorded(event: Event) -> None:
        kept_by = event.source if event.audit_recorded.client_kept else ""
        await ports.record_audit(entry=_entry(event), kept_by=kept_by)

    async def email_verified(event: Event) -> None:
        await ports.report_email_verified(user_id=UUID(event.email_verified.user_id))

    return {
        "user_changed": user_changed,
        "audit_recorded": audit_recorded,
        "email_verified": email_verified,
    }


async def audit_events(record_audit: RecordAudit, action: str, details: Mapping[str, str]) -> None:
    """Audits that an event was refused or became a dead letter."""
    await record_audit(
        entry=AuditEntry(
            occurred_at=datetime.now(UTC), action=action, outcome="failed", details=dict(details)
        )
    )


def _entry(event: Event) -> AuditEntry:
    recorded = event.audit_recorded
    action = _ACTION.fullmatch(recorded.action)
    if action is None or action[1] not in _ACTIONS.get(event.source, ()) or recorded.outcome not in _OUTCOMES:
        raise ValueError("no audit entry that this service may make")
    return AuditEntry(
        id=UUID(event.event_id),
        occurred_at=datetime_of(event.occurred_at),
        actor_id=UUID(recorded.actor_id) if recorded.actor_id else None,
        subject_id=UUID(recorded.subject_id) if recorded.subject_id else None,
        action=recorded.action,
        outcome=recorded.outcome,
        ip=storable(recorded.ip),
        user_agent=storable(recorded.user_agent),
        request_id=storable(recorded.request_id),
        details={
            storable(name): storable(value) for name, value in recorded.details.items() if name != COMMITMENT
        },
    )

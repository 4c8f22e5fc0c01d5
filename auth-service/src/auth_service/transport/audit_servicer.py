"""`vestibule.auth.v1.AuditService`: the audit chain, for admins."""

from dataclasses import astuple
from typing import Any
from uuid import UUID

from chassis.grpc.paging import requested_page
from chassis.grpc.timestamps import requested_time
from vestibule.auth.v1 import audit_service_pb2 as pb
from vestibule.auth.v1.audit_service_pb2_grpc import AuditServiceServicer

from auth_service.domain.audit import AuditFilter
from auth_service.transport import messages
from auth_service.usecases.audit import ListAuditEvents
from auth_service.usecases.audit_heads import ListAuditHeads
from auth_service.usecases.audit_verification import FindAuditBeginning, VerifyAuditEvents
from auth_service.usecases.ports import Ports


class AuditServicer(AuditServiceServicer):
    """Runs one use case per call."""

    def __init__(self, ports: Ports) -> None:
        units, verifier = ports.units, ports.head_verifier
        beginning = FindAuditBeginning(units, verifier, ports.audit_retention, ports.clock)
        self.list_audit_events = ListAuditEvents(units)
        self.verify_audit_events = VerifyAuditEvents(units, verifier, beginning, ports.audit_witness)
        self.list_audit_heads = ListAuditHeads(units, verifier)

    async def ListAuditEvents(
        self, request: pb.ListAuditEventsRequest, context: Any
    ) -> pb.ListAuditEventsResponse:
        """Lists entries, the newest first."""
        wanted = _filter(request)
        requested = requested_page(request, _sequence, *astuple(wanted))
        entries, total = await self.list_audit_events(
            wanted=wanted, below=requested.after, offset=requested.offset, limit=requested.limit
        )
        shown, pagination = requested.page(entries, total, lambda entry: entry.sequence)
        return pb.ListAuditEventsResponse(events=map(messages.audit_event, shown), pagination=pagination)

    async def VerifyAuditEvents(
        self, request: pb.VerifyAuditEventsRequest, context: Any
    ) -> pb.VerifyAuditEventsResponse:
        """Walks the hash chain."""
        report = await self.verify_audit_events()
        return pb.VerifyAuditEventsResponse(
            intact=report.intact,
            events=report.events,
            head=report.head.hex() if report.head else "",
            first_broken=report.first_broken,
            problem=report.problem,
            signed_heads=report.heads,
            signed_until=report.signed_until,
            witnessed=report.witnessed,
            unwitnessed=report.unwitnessed,
        )

    async def ListAuditHeads(
        self, request: pb.ListAuditHeadsRequest, context: Any
    ) -> pb.ListAuditHeadsResponse:
        """Gives signed heads to the witness."""
        found = await self.list_audit_heads(from_sequence=request.from_sequence)
        return pb.ListAuditHeadsResponse(
            heads=[messages.signed_head(head) for head in found.heads],
            keys=[pb.AuditKey(kid=key.kid, x=key.x, y=key.y) for key in found.keys],
            problem=found.problem or "",
        )


def _filter(request: pb.ListAuditEventsRequest) -> AuditFilter:
    return AuditFilter(
        actor_id=UUID(request.actor_id) if request.HasField("actor_id") else None,
        subject_id=UUID(request.subject_id) if request.HasField("subject_id") else None,
        action=request.action if request.HasField("action") else None,
        since=requested_time(request.since, "since") if request.HasField("since") else None,
        until=requested_time(request.until, "until") if request.HasField("until") else None,
    )


def _sequence(text: str) -> int:
    sequence = int(text)
    if not 0 <= sequence < 2**63:
        raise ValueError("not the number of an entry")
    return sequence

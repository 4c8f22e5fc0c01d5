"""health-aggregator behind `AuditWitness`."""

from collections.abc import Sequence

from chassis.grpc.channel import ServiceChannel
from chassis.grpc.timestamps import datetime_of
from vestibule.health.v1 import audit_witness_service_pb2 as pb
from vestibule.health.v1.audit_witness_service_pb2_grpc import AuditWitnessServiceStub

from auth_service.domain.audit_witness import WitnessedHead

WITNESS_SERVICE = pb.DESCRIPTOR.services_by_name["AuditWitnessService"]
"""What `open_channel` must know of."""

_SECONDS = 2.0


class GrpcAuditWitness:
    """Asks health-aggregator over gRPC."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._witness = AuditWitnessServiceStub(channel)

    async def newest(self) -> WitnessedHead | None:
        """Returns the head with the highest place; None before the first."""
        answer = await self._witness.ListWitnessedHeads(pb.ListWitnessedHeadsRequest(), timeout=_SECONDS)
        return _head(answer.newest) if answer.HasField("newest") else None

    async def after(self, sequence: int, limit: int) -> Sequence[WitnessedHead]:
        """Returns heads beyond a place, the lowest first."""
        request = pb.ListWitnessedHeadsRequest(after_sequence=sequence, limit=limit)
        answer = await self._witness.ListWitnessedHeads(request, timeout=_SECONDS)
        return [_head(head) for head in answer.heads]


def _head(head: pb.WitnessedHead) -> WitnessedHead:
    return WitnessedHead(sequence=head.sequence, hash=head.hash, at=datetime_of(head.at))

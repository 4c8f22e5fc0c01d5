"""AuditWitnessService: the heads that were witnessed, for the service that verifies the audit chain."""

from typing import Any

from chassis.grpc.timestamps import timestamp
from vestibule.health.v1 import audit_witness_service_pb2 as pb
from vestibule.health.v1 import audit_witness_service_pb2_grpc as pb_grpc

from health_aggregator.domain.audit_witness import WitnessedHead, WitnessStore
from health_aggregator.domain.errors import NothingWitnessed


class AuditWitnessServicer(pb_grpc.AuditWitnessServiceServicer):
    """Serves `vestibule.health.v1.AuditWitnessService`.

    Args:
        store: The stored heads; None when this aggregator has no database.
    """

    def __init__(self, store: WitnessStore | None) -> None:
        self._store = store

    async def ListWitnessedHeads(
        self, request: pb.ListWitnessedHeadsRequest, context: Any
    ) -> pb.ListWitnessedHeadsResponse:
        """Returns stored heads after a sequence number."""
        if self._store is None:
            raise NothingWitnessed
        heads = await self._store.after(request.after_sequence, request.limit) if request.limit else ()
        newest = await self._store.newest()
        return pb.ListWitnessedHeadsResponse(
            heads=[_message(head) for head in heads], newest=None if newest is None else _message(newest)
        )


def _message(head: WitnessedHead) -> pb.WitnessedHead:
    return pb.WitnessedHead(
        sequence=head.sequence,
        hash=head.hash,
        at=timestamp(head.at),
        witnessed_at=timestamp(head.witnessed_at),
    )

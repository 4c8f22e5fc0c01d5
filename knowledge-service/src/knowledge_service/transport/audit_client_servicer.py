"""`vestibule.knowledge.v1.AuditClientService`: the clients behind audit events, for auth-service."""

from typing import Any
from uuid import UUID

from vestibule.knowledge.v1 import audit_client_service_pb2 as pb
from vestibule.knowledge.v1.audit_client_service_pb2_grpc import AuditClientServiceServicer

from knowledge_service.domain.unit_of_work import UnitsOfWork
from knowledge_service.usecases.audit import GetAuditClient


class AuditClientServicer(AuditClientServiceServicer):
    """Runs one use case per call."""

    def __init__(self, units: UnitsOfWork) -> None:
        self._get_audit_client = GetAuditClient(units)

    async def GetAuditClient(
        self, request: pb.GetAuditClientRequest, context: Any
    ) -> pb.GetAuditClientResponse:
        """Returns a client."""
        client = await self._get_audit_client(event_id=UUID(request.event_id))
        return pb.GetAuditClientResponse(
            ip=client.ip, user_agent=client.user_agent, request_id=client.request_id
        )

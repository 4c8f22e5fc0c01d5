"""knowledge-service as a keeper of the clients of its audit entries."""

import time
from uuid import UUID

import structlog
from chassis.errors import Kind, ServiceError, Unavailable
from chassis.grpc.channel import ServiceChannel
from chassis.identity.audit_client import AuditClient
from chassis.ids import unix_milliseconds
from vestibule.knowledge.v1 import audit_client_service_pb2 as pb
from vestibule.knowledge.v1.audit_client_service_pb2_grpc import AuditClientServiceStub

log = structlog.get_logger()

KNOWLEDGE_SERVICE = pb.DESCRIPTOR.services_by_name["AuditClientService"]

WAIT_SECONDS = 30.0
"""How long after an event its client is waited for: this service is optional, and other events wait too."""

_MAY_PASS = frozenset({Kind.UNAVAILABLE, Kind.DEADLINE, Kind.UNAUTHENTICATED, Kind.FORBIDDEN})
"""Errors of a service that is unreachable, or that refuses this one while service keys are replaced."""


class KnowledgeAuditClients:
    """`AuditClients` by knowledge-service."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = AuditClientServiceStub(channel)

    async def audit_client(self, event_id: UUID) -> AuditClient | None:
        """Returns the client of an audit event; None once that is erased, or cannot be waited for.

        Raises:
            Unavailable: knowledge-service cannot be asked now.
        """
        try:
            client = await self._stub.GetAuditClient(pb.GetAuditClientRequest(event_id=str(event_id)))
        except ServiceError as error:
            if error.kind is Kind.NOT_FOUND:
                return None
            age = time.time() - unix_milliseconds(event_id) / 1000
            if error.kind in _MAY_PASS and age < WAIT_SECONDS:
                raise Unavailable from error
            log.warning("audit entry stored without its client", reason=error.reason)
            return None
        return AuditClient(ip=client.ip, user_agent=client.user_agent, request_id=client.request_id)

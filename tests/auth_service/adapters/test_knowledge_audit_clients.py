"""The clients of knowledge-service's audit entries while it is away."""

import time
from uuid import UUID

import pytest
from auth_service.adapters.knowledge_audit_clients import (
    KNOWLEDGE_SERVICE,
    WAIT_SECONDS,
    KnowledgeAuditClients,
)
from chassis.errors import Unavailable
from chassis.grpc.channel import open_channel
from chassis.ids import uuid7
from devstack.ports import free_port

from tests.fakes.service_keys import service_tokens


def _event(age_seconds: float) -> UUID:
    return uuid7(int((time.time() - age_seconds) * 1000))


async def test_other_events_do_not_wait_long_for_it() -> None:
    """An entry waits for its client while the event is young."""
    tokens = service_tokens("auth-service")
    address = f"127.0.0.1:{free_port()}"
    async with open_channel(address, service_tokens=tokens, services=[KNOWLEDGE_SERVICE]) as channel:
        clients = KnowledgeAuditClients(channel)
        with pytest.raises(Unavailable):
            await clients.audit_client(_event(0))
        assert await clients.audit_client(_event(WAIT_SECONDS + 1)) is None

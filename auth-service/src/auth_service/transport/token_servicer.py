"""`vestibule.auth.v1.TokenService`: introspecting tokens, for the other services."""

from typing import Any
from uuid import UUID

from chassis.events.heartbeat_requests import HeartbeatRequests
from chassis.grpc.timestamps import requested_time, timestamp
from chassis.identity.caller import current_caller
from vestibule.auth.v1 import token_service_pb2 as pb
from vestibule.auth.v1.token_service_pb2_grpc import TokenServiceServicer

from auth_service.domain.api_key import KeyHolder
from auth_service.domain.tokens import Authenticator
from auth_service.transport import messages
from auth_service.usecases.ports import Ports
from auth_service.usecases.revocation import ListRevocations
from auth_service.usecases.tokens import IntrospectToken


class TokenServicer(TokenServiceServicer):
    """Runs one use case per call.

    Args:
        ports: The ports.
        authenticator: Authenticates access tokens.
        heartbeats: Passes on who relies on heartbeats.
    """

    def __init__(self, ports: Ports, authenticator: Authenticator, heartbeats: HeartbeatRequests) -> None:
        self._heartbeats = heartbeats
        self.list_revocations = ListRevocations(ports.units)
        self.introspect_token = IntrospectToken(authenticator, ports.verify_api_key)
        self.report_refused_key = ports.report_refused_key

    async def ListRevocations(
        self, request: pb.ListRevocationsRequest, context: Any
    ) -> pb.ListRevocationsResponse:
        """Returns the revocations in force, or those of late."""
        since = requested_time(request.since, "since") if request.HasField("since") else None
        revocations, read_at = await self.list_revocations(since=since)
        return pb.ListRevocationsResponse(
            revocations=[messages.revocation(each) for each in revocations],
            read_at=timestamp(read_at),
        )

    async def IntrospectToken(
        self, request: pb.IntrospectTokenRequest, context: Any
    ) -> pb.IntrospectTokenResponse:
        """Introspects one token: heartbeats will spare the next introspection."""
        self._heartbeats.note()
        result = await self.introspect_token(token=request.token, caller=current_caller())
        return pb.IntrospectTokenResponse(
            active=not result.refusal,
            reason=result.refusal,
            api_key=None if result.key is None else _key_claims(result.key),
        )

    async def RequestHeartbeats(
        self, request: pb.RequestHeartbeatsRequest, context: Any
    ) -> pb.RequestHeartbeatsResponse:
        """Has heartbeats sent for a while."""
        self._heartbeats.note()
        return pb.RequestHeartbeatsResponse()

    async def ReportRefusedKey(
        self, request: pb.ReportRefusedKeyRequest, context: Any
    ) -> pb.ReportRefusedKeyResponse:
        """Audits that another service refused an API key."""
        await self.report_refused_key(
            key_id=UUID(request.key_id), method=request.method, caller=current_caller()
        )
        return pb.ReportRefusedKeyResponse()


def _key_claims(holder: KeyHolder) -> pb.ApiKeyClaims:
    key = holder.key
    return pb.ApiKeyClaims(
        key_id=str(key.id),
        user_id=str(key.user_id),
        role=holder.role.value,
        scopes=key.scopes,
        expires_at=timestamp(key.expires_at),
        read_at=timestamp(holder.read_at),
        must_enrol=holder.must_enrol,
    )

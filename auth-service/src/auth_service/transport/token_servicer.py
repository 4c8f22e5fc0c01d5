"""`vestibule.auth.v1.TokenService`: judging tokens, for the other services."""

from dataclasses import dataclass
from typing import Any

from vestibule.auth.v1 import token_service_pb2 as pb
from vestibule.auth.v1.token_service_pb2_grpc import TokenServiceServicer

from auth_service.transport import messages
from auth_service.usecases.introspect_token import IntrospectToken
from auth_service.usecases.list_revocations import ListRevocations


@dataclass(frozen=True, slots=True)
class TokenServicer(TokenServiceServicer):
    """Answers each call by its use case."""

    list_revocations: ListRevocations
    introspect_token: IntrospectToken

    async def ListRevocations(
        self, request: pb.ListRevocationsRequest, context: Any
    ) -> pb.ListRevocationsResponse:
        """Returns the revocations in force."""
        revocations, read_at = await self.list_revocations()
        return pb.ListRevocationsResponse(
            revocations=[messages.revocation(each) for each in revocations],
            read_at=messages.timestamp(read_at),
        )

    async def IntrospectToken(
        self, request: pb.IntrospectTokenRequest, context: Any
    ) -> pb.IntrospectTokenResponse:
        """Judges one token."""
        reason = await self.introspect_token(token=request.token)
        return pb.IntrospectTokenResponse(active=not reason, reason=reason)

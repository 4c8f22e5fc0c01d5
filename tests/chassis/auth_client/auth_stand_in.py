"""An authenticator and the auth-service that it asks, on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from chassis.auth_client.authenticator import TokenAuthenticator
from chassis.auth_client.client import AUTH_CLIENT_SERVICES, AuthClient
from chassis.grpc.channel import open_channel
from chassis.grpc.server import build_server
from chassis.identity.caller import current_caller
from vestibule.auth.v1 import (
    key_service_pb2,
    key_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)
from vestibule.events.v1.events_pb2 import TokensRevoked

from tests.chassis.grpc.stack import TableAuthenticator
from tests.chassis.identity.tokens import AUDIENCE, ISSUER, KID, new_key, published
from tests.fakes.service_keys import service_tokens

KEY = new_key()


@dataclass
class AuthService(key_service_pb2_grpc.KeyServiceServicer, token_service_pb2_grpc.TokenServiceServicer):
    """What an authenticator asks of auth-service, answered by a test."""

    keys: list[key_service_pb2.JsonWebKey] = field(default_factory=lambda: [published(KID, KEY)])
    revocations: list[TokensRevoked] = field(default_factory=list)
    refusal: str = ""
    introspected: int = 0
    answers_after_seconds: float = 0.02
    heartbeat_requests: int = 0
    knows_requests: bool = True
    api_key: token_service_pb2.ApiKeyClaims | None = None
    asked_by: list[str] = field(default_factory=list)
    reported: list[tuple[str, str, str]] = field(default_factory=list)

    async def GetJwks(self, request: Any, context: Any) -> Any:  # noqa: N802
        return key_service_pb2.GetJwksResponse(keys=self.keys)

    async def GetOpenidConfiguration(self, request: Any, context: Any) -> Any:  # noqa: N802
        return key_service_pb2.GetOpenidConfigurationResponse()

    async def ListRevocations(self, request: Any, context: Any) -> Any:  # noqa: N802
        return token_service_pb2.ListRevocationsResponse(revocations=self.revocations)

    async def IntrospectToken(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.introspected += 1
        self.asked_by.append(current_caller().client_address)
        said = token_service_pb2.IntrospectTokenResponse(
            active=not self.refusal, reason=self.refusal, api_key=self.api_key
        )
        await asyncio.sleep(self.answers_after_seconds)
        return said

    async def RequestHeartbeats(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.heartbeat_requests += 1
        if not self.knows_requests:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        return token_service_pb2.RequestHeartbeatsResponse()

    async def ReportRefusedKey(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.reported.append((request.key_id, request.method, current_caller().client_address))
        return token_service_pb2.ReportRefusedKeyResponse()


@dataclass
class Stream:
    """A reader of the event stream that is as late as a test says."""

    silent_seconds: float = 0.1
    held_back_seconds: float = 0.0

    @property
    def behind_seconds(self) -> float:
        """How far behind auth-service it is."""
        return self.silent_seconds + self.held_back_seconds


@dataclass
class Stack:
    """An authenticator and all that it asks."""

    auth: AuthService
    stream: Stream
    authenticator: TokenAuthenticator
    stop: Any


@asynccontextmanager
async def open_stack(*, service: str = "gateway") -> AsyncIterator[Stack]:
    """Opens a stack whose authenticator speaks as `service`; nothing is fetched yet."""
    auth, stream = AuthService(), Stream()
    server = build_server(service_tokens=service_tokens("auth-service"), authenticator=TableAuthenticator())
    server.add(key_service_pb2_grpc.add_KeyServiceServicer_to_server, auth)
    server.add(token_service_pb2_grpc.add_TokenServiceServicer_to_server, auth)
    port = await server.start("127.0.0.1:0")
    server.set_serving(True)
    tokens = service_tokens(service)
    async with open_channel(
        f"127.0.0.1:{port}", service_tokens=tokens, services=AUTH_CLIENT_SERVICES
    ) as channel:
        authenticator = TokenAuthenticator(AuthClient(channel), issuer=ISSUER, audience=AUDIENCE)
        try:
            yield Stack(auth, stream, authenticator, lambda: server.stop(0))
        finally:
            await server.stop(0)


async def ready(authenticator: TokenAuthenticator) -> None:
    """Waits until an authenticator is ready."""
    for _ in range(500):
        if authenticator.ready:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("never ready")


def of_user(claims: dict[str, Any]) -> TokensRevoked:
    """Returns a revocation of all tokens of a user until now."""
    now = time.time_ns() // 1_000_000
    return TokensRevoked(
        user_id=claims["sub"], issued_until_milliseconds=now, expires_at_milliseconds=now + 900_000
    )

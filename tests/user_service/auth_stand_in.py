"""A small auth-service over gRPC: keys, tokens and accounts, whose responses the test sets."""

# ruff: noqa: N802 - servicers bear the names of RPCs

import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import jwt
from chassis.errors import NotFound, ServiceError
from chassis.grpc.server import GrpcServer, build_server
from chassis.grpc.timestamps import timestamp
from chassis.identity.api_key import is_api_key
from chassis.identity.claims import NoAuthenticator
from chassis.identity.role import Role
from chassis.ids import uuid7
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.timestamp_pb2 import Timestamp
from user_service.domain.accounts import Registration
from vestibule.auth.v1 import account_service_pb2, key_service_pb2, token_service_pb2
from vestibule.auth.v1.account_service_pb2_grpc import (
    AccountServiceServicer,
    add_AccountServiceServicer_to_server,
)
from vestibule.auth.v1.key_service_pb2_grpc import KeyServiceServicer, add_KeyServiceServicer_to_server
from vestibule.auth.v1.token_service_pb2_grpc import TokenServiceServicer, add_TokenServiceServicer_to_server
from vestibule.events.v1.events_pb2 import TokensRevoked
from vestibule.users.v1 import export_pb2, user_pb2

from tests.fakes.service_keys import service_tokens

ISSUER = "http://issuer.test"
AUDIENCE = "vestibule"

_ROLES = {Role.USER: user_pb2.ROLE_USER, Role.ADMIN: user_pb2.ROLE_ADMIN}


class AuthStandIn:
    """The state of auth-service, and its signing key.

    Attributes:
        waiting: Registrations, by id.
        passwords: By id.
        synced: Ids in the order of their syncs.
        refused: Ids of dropped registrations.
        api_keys: The user of each API key.
        introspections: Number of introspected tokens and keys.
        revocations: What is revoked.
        listings: How often that was listed.
        failure: The error of every call of AccountService; None means success.
        port: Its port.
    """

    def __init__(self) -> None:
        self.waiting: dict[UUID, Registration] = {}
        self.passwords: dict[UUID, str] = {}
        self.synced: list[UUID] = []
        self.refused: list[UUID] = []
        self.api_keys: dict[str, UUID] = {}
        self.introspections = 0
        self.revocations: list[TokensRevoked] = []
        self.listings = 0
        self.failure: ServiceError | None = None
        self.port = 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.service_tokens = service_tokens("auth-service")
        self._server: GrpcServer | None = None

    @property
    def address(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self.port}"

    def token(self, user_id: UUID, role: Role, *, auth_time: int | None = None) -> str:
        """Returns an access token of a user who authenticated now, or at another time."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(uuid7()),
            "jti": str(uuid7()),
            "role": role.value,
            "iat": now,
            "exp": now + 900,
            "auth_time": now if auth_time is None else auth_time,
            "amr": ["pwd"],
        }
        return jwt.encode(claims, self.key, "ES256", headers={"kid": "k1"})

    async def start(self) -> None:
        """Starts it, on the same port each time."""
        self._server = build_server(service_tokens=self.service_tokens, authenticator=NoAuthenticator())
        self._server.add(add_KeyServiceServicer_to_server, _Keys(self))
        self._server.add(add_TokenServiceServicer_to_server, _Tokens(self))
        self._server.add(add_AccountServiceServicer_to_server, _Accounts(self))
        self.port = await self._server.start(self.address)
        self._server.set_serving(True)

    async def stop(self) -> None:
        """Stops it."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None


@asynccontextmanager
async def serving() -> AsyncIterator[AuthStandIn]:
    """Runs one during the block."""
    auth = AuthStandIn()
    await auth.start()
    try:
        yield auth
    finally:
        await auth.stop()


class _Keys(KeyServiceServicer):
    def __init__(self, auth: AuthStandIn) -> None:
        self._auth = auth

    async def GetJwks(self, request: Any, context: Any) -> key_service_pb2.GetJwksResponse:
        numbers = self._auth.key.public_key().public_numbers()
        key = key_service_pb2.JsonWebKey(
            kty="EC",
            crv="P-256",
            x=_base64(numbers.x),
            y=_base64(numbers.y),
            kid="k1",
            use="sig",
            alg="ES256",
        )
        return key_service_pb2.GetJwksResponse(keys=[key])

    async def GetOpenidConfiguration(self, request: Any, context: Any) -> Any:
        raise NotFound


class _Tokens(TokenServiceServicer):
    def __init__(self, auth: AuthStandIn) -> None:
        self._auth = auth

    async def ListRevocations(self, request: Any, context: Any) -> token_service_pb2.ListRevocationsResponse:
        self._auth.listings += 1
        read_at = Timestamp()
        read_at.GetCurrentTime()
        return token_service_pb2.ListRevocationsResponse(revocations=self._auth.revocations, read_at=read_at)

    async def ReportRefusedKey(self, request: Any, context: Any) -> Any:
        raise NotFound

    async def RequestHeartbeats(
        self, request: Any, context: Any
    ) -> token_service_pb2.RequestHeartbeatsResponse:
        return token_service_pb2.RequestHeartbeatsResponse()

    async def IntrospectToken(self, request: Any, context: Any) -> token_service_pb2.IntrospectTokenResponse:
        self._auth.introspections += 1
        if not is_api_key(request.token):
            return token_service_pb2.IntrospectTokenResponse(active=True)
        if request.token not in self._auth.api_keys:
            return token_service_pb2.IntrospectTokenResponse(active=False, reason="TOKEN_INVALID")
        key = token_service_pb2.ApiKeyClaims(
            user_id=str(self._auth.api_keys[request.token]), key_id=str(uuid7()), role="user", scopes=["read"]
        )
        key.read_at.GetCurrentTime()
        return token_service_pb2.IntrospectTokenResponse(active=True, api_key=key)


class _Accounts(AccountServiceServicer):
    def __init__(self, auth: AuthStandIn) -> None:
        self._auth = auth

    async def GetRegistration(
        self, request: Any, context: Any
    ) -> account_service_pb2.GetRegistrationResponse:
        self._raise_failure()
        waiting = self._auth.waiting.get(UUID(request.user_id))
        if waiting is None:
            raise NotFound
        return account_service_pb2.GetRegistrationResponse(
            email=waiting.email,
            full_name=waiting.full_name,
            role=_ROLES[waiting.role],
            email_verified=waiting.email_verified,
            created_at=timestamp(waiting.created_at),
            is_deactivated=not waiting.is_active,
        )

    async def RefuseRegistration(self, request: Any, context: Any) -> Any:
        self._raise_failure()
        self._auth.waiting.pop(UUID(request.user_id), None)
        self._auth.refused.append(UUID(request.user_id))
        return account_service_pb2.RefuseRegistrationResponse()

    async def SyncAccount(self, request: Any, context: Any) -> account_service_pb2.SyncAccountResponse:
        self._raise_failure()
        self._auth.synced.append(UUID(request.user_id))
        return account_service_pb2.SyncAccountResponse()

    async def VerifyPassword(self, request: Any, context: Any) -> account_service_pb2.VerifyPasswordResponse:
        self._raise_failure()
        matches = self._auth.passwords.get(UUID(request.user_id)) == request.password
        return account_service_pb2.VerifyPasswordResponse(matches=matches)

    async def ExportAccount(self, request: Any, context: Any) -> account_service_pb2.ExportAccountResponse:
        self._raise_failure()
        return account_service_pb2.ExportAccountResponse(
            account=export_pb2.AccountData(email="kept by auth-service")
        )

    async def ExportAuditEvents(
        self, request: Any, context: Any
    ) -> account_service_pb2.ExportAuditEventsResponse:
        self._raise_failure()
        events = [export_pb2.AuditData(sequence=number) for number in (2, 1)]
        return account_service_pb2.ExportAuditEventsResponse(events=events)

    def _raise_failure(self) -> None:
        if self._auth.failure is not None:
            raise self._auth.failure


def _base64(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()

"""Calls auth-service: public keys, revocations, and the introspection of one token."""

import math
from collections.abc import Mapping
from time import monotonic
from typing import Any
from uuid import UUID

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.auth.v1 import key_service_pb2, token_service_pb2
from vestibule.auth.v1.key_service_pb2_grpc import KeyServiceStub
from vestibule.auth.v1.token_service_pb2_grpc import TokenServiceStub
from vestibule.events.v1.events_pb2 import TokensRevoked

from chassis.errors import (
    DeadlineExceeded,
    RemoteError,
    ServiceError,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
    Unavailable,
)
from chassis.grpc.channel import ServiceChannel
from chassis.identity.claims import Claims
from chassis.identity.role import Role

log = structlog.get_logger()

AUTH_SERVICE = "auth-service"
"""The service whose heartbeat shows that every revocation is on the stream."""

AUTH_CLIENT_SERVICES: tuple[ServiceDescriptor, ...] = (
    key_service_pb2.DESCRIPTOR.services_by_name["KeyService"],
    token_service_pb2.DESCRIPTOR.services_by_name["TokenService"],
)
"""The services that `open_channel` needs for an `AuthClient`."""

INTROSPECTION_SECONDS = 2.0
SHARED_SECONDS = 0.25
"""How long callers may join an introspection that is under way: a revocation may have come since it began."""

_REFUSALS: dict[str, type[ServiceError]] = {
    each.reason: each for each in (TokenInvalid, TokenExpired, TokenRevoked)
}


class AuthClient:
    """Calls auth-service. Every method raises `Unavailable` when there is no usable answer.

    Attributes:
        answered_at: When it last answered a question about a token or a request for heartbeats, by
            `time.monotonic()`; -inf before the first time.
    """

    def __init__(self, channel: ServiceChannel) -> None:
        self.answered_at = float("-inf")
        self._listed_at: Timestamp | None = None
        self._tokens = TokenServiceStub(channel)
        self._keys = KeyServiceStub(channel)

    async def keys(self) -> Mapping[str, EllipticCurvePublicKey]:
        """Returns the public keys that verify tokens, by `kid`.

        Raises:
            Unavailable: auth-service cannot be reached or has published no usable key.
        """
        try:
            response = await self._keys.GetJwks(key_service_pb2.GetJwksRequest())
        except (RemoteError, DeadlineExceeded) as error:
            raise Unavailable from error
        keys = {key.kid: usable for key in response.keys if (usable := _public_key(key)) is not None}
        if not keys:
            raise Unavailable
        return keys

    async def revocations(self) -> list[TokensRevoked]:
        """Returns every revocation in force, from auth-service's database.

        Raises:
            Unavailable: auth-service cannot be reached.
        """
        return await self._listed(token_service_pb2.ListRevocationsRequest())

    async def latest_revocations(self, *, within_seconds: float) -> list[TokensRevoked]:
        """Returns the revocations since they were last listed, beside others.

        Raises:
            Unavailable: auth-service cannot be reached, or has not answered in time.
        """
        request = token_service_pb2.ListRevocationsRequest(since=self._listed_at)
        revocations = await self._listed(request, timeout=within_seconds, wait_for_ready=False)
        self.answered_at = monotonic()
        return revocations

    async def introspect(self, token: str) -> None:
        """Returns if the token is good now, by auth-service's database.

        Raises:
            TokenInvalid: auth-service did not issue it.
            TokenExpired: it has expired.
            TokenRevoked: it is revoked.
            Unavailable: auth-service cannot be reached.
        """
        await self._introspected(token)

    async def introspect_key(self, key: str) -> tuple[Claims, float]:
        """Returns an API key's claims and its remaining lifetime in seconds.

        Raises:
            TokenInvalid: auth-service did not issue it.
            TokenExpired: it has expired.
            TokenRevoked: it is revoked, or its user is deactivated.
            Unavailable: auth-service cannot be reached.
        """
        response = await self._introspected(key)
        if not response.HasField("api_key"):
            raise Unavailable
        return _key_claims(response.api_key)

    async def request_heartbeats(self) -> None:
        """Has auth-service send heartbeats for a while.

        Raises:
            Unavailable: auth-service cannot be reached, or is of a release that always sends them.
        """
        request = token_service_pb2.RequestHeartbeatsRequest()
        try:
            await self._tokens.RequestHeartbeats(request, timeout=INTROSPECTION_SECONDS, wait_for_ready=False)
        except (RemoteError, DeadlineExceeded) as error:
            raise Unavailable from error
        self.answered_at = monotonic()

    async def report_refused_key(self, key_id: UUID, method: str) -> None:
        """Reports that an API key was refused a method, such as `/vestibule.users.v1.UserService/GetMe`.

        Raises:
            Unavailable: auth-service cannot be reached.
        """
        request = token_service_pb2.ReportRefusedKeyRequest(key_id=str(key_id), method=method)
        try:
            await self._tokens.ReportRefusedKey(request, timeout=INTROSPECTION_SECONDS)
        except (RemoteError, DeadlineExceeded) as error:
            raise Unavailable from error

    async def _listed(
        self, request: token_service_pb2.ListRevocationsRequest, **options: Any
    ) -> list[TokensRevoked]:
        try:
            response = await self._tokens.ListRevocations(request, **options)
        except (RemoteError, DeadlineExceeded) as error:
            raise Unavailable from error
        self._listed_at = response.read_at
        return list(response.revocations)

    async def _introspected(self, token: str) -> token_service_pb2.IntrospectTokenResponse:
        request = token_service_pb2.IntrospectTokenRequest(token=token)
        try:
            response: token_service_pb2.IntrospectTokenResponse = await self._tokens.IntrospectToken(
                request,
                timeout=INTROSPECTION_SECONDS,
                # If no auth-service runs, `TokenAuthenticator` decides from memory at once.
                wait_for_ready=False,
            )
        except (RemoteError, DeadlineExceeded) as error:
            raise Unavailable from error
        self.answered_at = monotonic()
        if not response.active:
            raise _REFUSALS.get(response.reason, TokenInvalid)
        return response


def _key_claims(answer: token_service_pb2.ApiKeyClaims) -> tuple[Claims, float]:
    expires_at = answer.expires_at.ToNanoseconds() / 1e9 if answer.HasField("expires_at") else math.inf
    claims = Claims(
        user_id=UUID(answer.user_id),
        role=Role(answer.role),
        session_id=None,
        token_id=UUID(answer.key_id),
        expires_at=expires_at,
        issued_at_milliseconds=answer.read_at.ToMilliseconds(),
        scopes=frozenset(answer.scopes),
        must_enrol=answer.must_enrol,
    )
    return claims, expires_at - answer.read_at.ToNanoseconds() / 1e9


def _public_key(key: key_service_pb2.JsonWebKey) -> EllipticCurvePublicKey | None:
    if not key.kid or key.alg != "ES256" or key.use != "sig":
        return None
    members = {"kty": key.kty, "crv": key.crv, "x": key.x, "y": key.y}
    try:
        public = jwt.PyJWK.from_dict(members, algorithm="ES256").key
    except jwt.PyJWTError:
        log.warning("published key ignored: it is malformed", kid=key.kid)
        return None
    return public if isinstance(public, EllipticCurvePublicKey) else None

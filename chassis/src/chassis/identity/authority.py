"""The client of auth-service's judgement: its keys, its revocations, its word on one token."""

import asyncio
import contextvars
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar
from uuid import UUID

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from google.protobuf.descriptor import ServiceDescriptor
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
from chassis.grpc.call import Call, enter
from chassis.grpc.channel import ServiceChannel
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims

log = structlog.get_logger()

_T = TypeVar("_T")

AUTHORITY = "auth-service"
"""Who judges tokens, and whose pulse tells that no revocation is held back."""

AUTHORITY_SERVICES: tuple[ServiceDescriptor, ...] = (
    key_service_pb2.DESCRIPTOR.services_by_name["KeyService"],
    token_service_pb2.DESCRIPTOR.services_by_name["TokenService"],
)
"""What `open_channel` must know of for an `Authority`."""

INTROSPECTION_SECONDS = 2.0

_REFUSALS: dict[str, type[ServiceError]] = {
    each.reason: each for each in (TokenInvalid, TokenExpired, TokenRevoked)
}


class Authority:
    """Asks auth-service. Every method raises `Unavailable` when it gives no usable answer."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._tokens = TokenServiceStub(channel)
        self._keys = KeyServiceStub(channel)

    async def keys(self) -> Mapping[str, EllipticCurvePublicKey]:
        """Returns the keys that verify tokens, by `kid`.

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
        """Returns every revocation in force, as Postgres has it.

        Raises:
            Unavailable: auth-service cannot be reached.
        """
        try:
            response = await self._tokens.ListRevocations(token_service_pb2.ListRevocationsRequest())
        except (RemoteError, DeadlineExceeded) as error:
            raise Unavailable from error
        return list(response.revocations)

    async def introspect(self, token: str) -> None:
        """Returns when Postgres says that the token is good now.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back.
            Unavailable: auth-service cannot be reached.
        """
        await self._introspected(token)

    async def introspect_key(self, key: str) -> tuple[Claims, float]:
        """Returns what an API key lets its bearer do now, and for how many seconds it will.

        Raises:
            TokenInvalid: it is not one of ours.
            TokenExpired: it has lived its time.
            TokenRevoked: it was taken back, or its person is deactivated.
            Unavailable: auth-service cannot be reached.
        """
        response = await self._introspected(key)
        if not response.HasField("api_key"):
            raise Unavailable
        return _key_claims(response.api_key)

    async def report_refused_key(self, key_id: UUID, method: str) -> None:
        """Tells that an API key was refused a method, named as gRPC does.

        Raises:
            Unavailable: auth-service cannot be reached.
        """
        request = token_service_pb2.ReportRefusedKeyRequest(key_id=str(key_id), method=method)
        try:
            await self._tokens.ReportRefusedKey(request, timeout=INTROSPECTION_SECONDS)
        except (RemoteError, DeadlineExceeded) as error:
            raise Unavailable from error

    async def _introspected(self, token: str) -> token_service_pb2.IntrospectTokenResponse:
        request = token_service_pb2.IntrospectTokenRequest(token=token)
        try:
            response: token_service_pb2.IntrospectTokenResponse = await self._tokens.IntrospectToken(
                request,
                timeout=INTROSPECTION_SECONDS,
                # Memory decides when nobody is there: see `RevocationJudge`.
                wait_for_ready=False,
            )
        except (RemoteError, DeadlineExceeded) as error:
            raise Unavailable from error
        if not response.active:
            raise _REFUSALS.get(response.reason, TokenInvalid)
        return response


def in_the_name_of(sender: Caller, work: Callable[[], Coroutine[Any, Any, _T]]) -> "asyncio.Task[_T]":
    """Begins work in a context of its own: the first asker's deadline is not the others'."""

    async def run() -> _T:
        enter(Call(caller=sender))
        return await work()

    return asyncio.create_task(run(), context=contextvars.Context())


def _key_claims(said: token_service_pb2.ApiKeyClaims) -> tuple[Claims, float]:
    expires_at = said.expires_at.ToNanoseconds() / 1e9 if said.HasField("expires_at") else math.inf
    claims = Claims(
        user_id=UUID(said.user_id),
        role=said.role,
        session_id=None,
        token_id=UUID(said.key_id),
        expires_at=expires_at,
        issued_at_milliseconds=said.read_at.ToMilliseconds(),
        scopes=frozenset(said.scopes),
        must_enrol=said.must_enrol,
    )
    return claims, expires_at - said.read_at.ToNanoseconds() / 1e9


def _public_key(key: key_service_pb2.JsonWebKey) -> EllipticCurvePublicKey | None:
    if not key.kid or key.alg != "ES256" or key.use != "sig":
        return None
    members = {"kty": key.kty, "crv": key.crv, "x": key.x, "y": key.y}
    try:
        public = jwt.PyJWK.from_dict(members, algorithm="ES256").key
    except jwt.PyJWTError:
        log.warning("published key ignored", kid=key.kid)
        return None
    return public if isinstance(public, EllipticCurvePublicKey) else None

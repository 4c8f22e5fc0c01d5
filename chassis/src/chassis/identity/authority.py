"""The client of auth-service's judgement: its keys, its revocations, its word on one token."""

from collections.abc import Mapping

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
from chassis.grpc.channel import ServiceChannel

log = structlog.get_logger()

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
        request = token_service_pb2.IntrospectTokenRequest(token=token)
        try:
            response = await self._tokens.IntrospectToken(request, timeout=INTROSPECTION_SECONDS)
        except (RemoteError, DeadlineExceeded) as error:
            raise Unavailable from error
        if not response.active:
            raise _REFUSALS.get(response.reason, TokenInvalid)


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

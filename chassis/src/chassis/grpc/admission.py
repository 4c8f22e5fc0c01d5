"""Admission: makes a `Call` from a call's metadata, or refuses it.

The gateway is not trusted: every service authenticates the user's token itself. What a caller reports
about the client's address and the request counts only together with a service token.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import unquote

from vestibule.api.v1 import options_pb2

from chassis import ids
from chassis.addresses import normal_address
from chassis.errors import Forbidden, ServiceError, Unauthenticated
from chassis.grpc.authorization import compile_authorization
from chassis.grpc.call import (
    ACCEPT_LANGUAGE_KEY,
    AUTHORIZATION_KEY,
    CLIENT_ADDRESS_KEY,
    IDEMPOTENCY_KEY,
    REQUEST_ID_KEY,
    SERVICE_IDENTITY_KEY,
    SHARED_TOKEN_KEY,
    TRACEPARENT_KEY,
    USER_AGENT_KEY,
    Call,
)
from chassis.grpc.policy import Policy
from chassis.identity.caller import Caller
from chassis.identity.claims import Authenticator, Claims
from chassis.identity.service_tokens import ServiceTokens
from chassis.tracing import traces

Metadata: TypeAlias = Any
CertificateNames: TypeAlias = Callable[[], frozenset[str]]
Admission: TypeAlias = Callable[[Metadata, Callable[[], str], CertificateNames | None], Awaitable[Call]]
_Peer: TypeAlias = Callable[[], str]
_Authenticate: TypeAlias = Callable[[dict[str, str], str | None, _Peer], Awaitable[tuple[str, Claims | None]]]

_SIGNED_IN = frozenset(
    {options_pb2.ACCESS_SIGNED_IN, options_pb2.ACCESS_ADMIN, options_pb2.ACCESS_ADMIN_OR_SELF}
)
_TRACEPARENT_LENGTH = 55


def compile_admission(
    policy: Policy, service_tokens: ServiceTokens, authenticator: Authenticator
) -> Admission:
    """Returns a function that makes a `Call` from a call's metadata and peer.

    Only the gateway may call methods with a route; otherwise its limits could be bypassed. If the peer
    showed a certificate, its names (DNS names of the SAN) must include the token's service.

    It raises `Unauthenticated`, `TokenInvalid`, `TokenExpired`, `TokenRevoked`,
    `SecondFactorRequired`, `Forbidden`, `ReauthenticationRequired` or `Unavailable`. What depends on
    the request is checked by `chassis.grpc.authorization.compile_request_authorization`.
    """
    services, audience, keys = policy.services, policy.audience, service_tokens.keys
    authenticate = (
        _required(policy, authenticator) if policy.access in _SIGNED_IN else _optional(policy, authenticator)
    )
    name = policy.path.strip("/")

    async def admit(metadata: Metadata, peer: _Peer, names: CertificateNames | None = None) -> Call:
        sent = dict(metadata)
        service = _service(sent, service_tokens, audience)
        if service is not None and names is not None and not keys.certifies(service, names()):
            service = None
        if services is not None and service not in services:
            raise Forbidden
        # Only an authenticated service decides what is recorded.
        traceparent = sent.get(TRACEPARENT_KEY, "") if service is not None else ""
        if len(traceparent) != _TRACEPARENT_LENGTH:
            traceparent = ""
        traces.serve(name, "SERVER", traceparent)
        token, claims = await authenticate(sent, service, peer)
        return Call(
            caller=_caller(sent, service, claims, peer),
            bearer_token=token,
            traceparent=traceparent,
            idempotency_key=sent.get(IDEMPOTENCY_KEY, "") if service is not None else "",
            claims=claims,
        )

    return admit


def peer_address(peer: str) -> str:
    """Returns the normalized address of a gRPC peer such as `ipv4:10.0.0.7:4711`; empty for others."""
    family, _, rest = unquote(peer).partition(":")
    if family not in ("ipv4", "ipv6"):
        return ""
    return normal_address(rest.rpartition(":")[0].strip("[]"))


def bearer_token(authorization: str) -> str:
    """Returns the token in an `authorization` header.

    Raises:
        Unauthenticated: there is none, or it has another scheme.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token


def _service(sent: dict[str, str], service_tokens: ServiceTokens, audience: str) -> str | None:
    """Returns the service that a call's service token proves, if any."""
    identity = sent.get(SERVICE_IDENTITY_KEY)
    if identity is not None:
        return service_tokens.verify(identity, audience)
    shared = sent.get(SHARED_TOKEN_KEY)
    return None if shared is None else service_tokens.verify_shared(shared)


def _required(policy: Policy, authenticator: Authenticator) -> _Authenticate:
    authorize = compile_authorization(policy)

    async def authenticate(
        sent: dict[str, str], service: str | None, peer: _Peer
    ) -> tuple[str, Claims | None]:
        token = bearer_token(sent.get(AUTHORIZATION_KEY, ""))
        claims = await authenticator.authenticate(token)
        try:
            authorize(claims)
        except Forbidden:
            await report_refused_key(authenticator, policy, claims, _caller(sent, service, None, peer))
            raise
        return token, claims

    return authenticate


async def report_refused_key(
    authenticator: Authenticator, policy: Policy, claims: Claims, sender: Caller
) -> None:
    """Has an audit entry written if the refused caller is an API key."""
    if claims.scopes is not None:
        await authenticator.report_refusal(claims, policy.path, sender)


def _optional(policy: Policy, authenticator: Authenticator) -> _Authenticate:
    """Authenticates an optional token: one that would be refused is ignored.

    Between services, the scopes were checked where the call entered.
    """
    is_public, key_scopes = policy.access == options_pb2.ACCESS_PUBLIC, policy.key_scopes

    async def authenticate(sent: dict[str, str], *_: Any) -> tuple[str, Claims | None]:
        authorization = sent.get(AUTHORIZATION_KEY, "")
        if not authorization:
            return "", None
        try:
            token = bearer_token(authorization)
            claims = await authenticator.authenticate(token)
        except ServiceError:
            return "", None
        if (
            is_public
            and claims.scopes is not None
            and (key_scopes is None or not key_scopes <= claims.scopes)
        ):
            return "", None
        return ("", None) if claims.must_enrol else (token, claims)

    return authenticate


def _caller(sent: dict[str, str], service: str | None, claims: Claims | None, peer: _Peer) -> Caller:
    if service is None:
        address, user_agent, accept_language, request_id = peer_address(peer()), "", "", ""
    else:
        address = normal_address(sent.get(CLIENT_ADDRESS_KEY, ""))
        user_agent = sent.get(USER_AGENT_KEY, "")
        accept_language = sent.get(ACCEPT_LANGUAGE_KEY, "")
        request_id = sent.get(REQUEST_ID_KEY, "")
    request_id = request_id or ids.request_id()
    if claims is None:
        return Caller(
            service=service,
            client_address=address,
            user_agent=user_agent,
            accept_language=accept_language,
            request_id=request_id,
        )
    return Caller(
        user_id=claims.user_id,
        role=claims.role,
        session_id=claims.session_id,
        token_id=claims.token_id,
        scopes=claims.scopes,
        service=service,
        client_address=address,
        user_agent=user_agent,
        accept_language=accept_language,
        request_id=request_id,
    )

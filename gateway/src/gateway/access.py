"""Who may call a route: the token at the edge, so that strangers cost no service anything.

Every service verifies the token again: it does not trust the gateway.
"""

from collections.abc import Awaitable, Callable

from chassis.auth_client.authenticator import TokenAuthenticator
from chassis.errors import Forbidden, ServiceError
from chassis.grpc.access import bearer_token, report_refused_key
from chassis.grpc.authorization import compile_authorization
from chassis.grpc.policy import Policy
from chassis.identity.api_key import is_api_key
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims
from vestibule.api.v1 import options_pb2

from gateway.http.request import Request

Admit = Callable[[Request], Awaitable[tuple[str, Claims | None]]]
"""Takes a request; returns the bearer token and its claims."""

Count = Callable[[Request, Claims | None], Awaitable[None]]
"""Counts a request for the user or API key that sent it, or for its address; raises `RateLimited`."""


def compile_admission(policy: Policy, authenticator: TokenAuthenticator, count: Count) -> Admit:
    """Returns what admits requests of a route, or raises.

    It raises `RateLimited`, `Unauthenticated`, `TokenInvalid`, `TokenExpired`, `TokenRevoked`,
    `SecondFactorRequired`, `Forbidden`, `ReauthenticationRequired` or `Unavailable`. What depends on
    the request's fields is decided where they are read, in `gateway.api.request_reader`.
    """
    if policy.access == options_pb2.ACCESS_PUBLIC:
        return _anyone(count)
    authenticate = _authenticate(authenticator, count)
    authorize = compile_authorization(policy)

    async def admit(request: Request) -> tuple[str, Claims]:
        token, claims = await authenticate(request)
        request.claims = claims
        try:
            authorize(claims)
        except Forbidden:
            await report_refused_key(authenticator, policy, claims, sender(request))
            raise
        return token, claims

    return admit


def sender(request: Request) -> Caller:
    """Returns who sent a request, whoever they prove to be."""
    return Caller(
        client_address=request.client_address,
        user_agent=request.header(b"user-agent"),
        request_id=request.request_id,
    )


def _authenticate(
    authenticator: TokenAuthenticator, count: Count
) -> Callable[[Request], Awaitable[tuple[str, Claims]]]:
    """Returns what learns who calls, and counts the call before it costs any service anything."""

    async def authenticate(request: Request) -> tuple[str, Claims]:
        try:
            token = bearer_token(request.header(b"authorization"))
            remembered = authenticator.authenticate_cached(token)
            proven = remembered
            if proven is None and not is_api_key(token):
                proven = await authenticator.verify(token)
        except ServiceError:
            await count(request, None)
            raise
        # Only auth-service knows whether an API key is genuine: until it has said so, the address pays.
        await count(request, proven)
        if remembered is not None:
            return token, remembered
        claims = await authenticator.authenticate(token, sender(request))
        if proven is None:
            await count(request, claims)
        return token, claims

    return authenticate


def _anyone(count: Count) -> Admit:
    """A token that nobody asks for is handed on; the service that needs it verifies it."""

    async def admit(request: Request) -> tuple[str, None]:
        await count(request, None)
        scheme, _, token = request.header(b"authorization").partition(" ")
        return (token.strip() if scheme.lower() == "bearer" else ""), None

    return admit

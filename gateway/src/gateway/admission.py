"""Who may call a route. Tokens are verified here so that unauthenticated requests reach no service.

Every service verifies the token again: it does not trust the gateway.
"""

from collections.abc import Awaitable, Callable

from chassis.auth_client.authenticator import TokenAuthenticator
from chassis.errors import Forbidden, ServiceError
from chassis.grpc.admission import bearer_token, report_refused_key
from chassis.grpc.authorization import compile_authorization
from chassis.grpc.policy import Policy
from chassis.identity.api_key import is_api_key
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims
from vestibule.api.v1 import options_pb2

from gateway.http.request import Request

Admit = Callable[[Request], Awaitable[tuple[str, Claims | None]]]
"""Authenticates and authorizes a request; returns the bearer token and its claims."""

Count = Callable[[Request, Claims | None], Awaitable[None]]
"""Counts a request against the limits of its user, API key or address; raises `RateLimited`."""


def compile_admission(policy: Policy, authenticator: TokenAuthenticator, count: Count) -> Admit:
    """Returns a function that admits a route's requests or raises.

    It raises `RateLimited`, `Unauthenticated`, `TokenInvalid`, `TokenExpired`, `TokenRevoked`,
    `SecondFactorRequired`, `Forbidden`, `ReauthenticationRequired` or `Unavailable`. What depends on
    the request's fields is decided where they are decoded, in `gateway.api.request_reader`.
    """
    if policy.access == options_pb2.ACCESS_PUBLIC:
        return _admit_public(count)
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
    """Returns the client that sent a request, before it is authenticated."""
    return Caller(
        client_address=request.client_address,
        user_agent=request.header(b"user-agent"),
        request_id=request.request_id,
    )


def _authenticate(
    authenticator: TokenAuthenticator, count: Count
) -> Callable[[Request], Awaitable[tuple[str, Claims]]]:
    """Returns a function that authenticates a request, and counts it before any service is called."""

    async def authenticate(request: Request) -> tuple[str, Claims]:
        try:
            token = bearer_token(request.header(b"authorization"))
            cached = authenticator.authenticate_cached(token)
            proven = cached
            if proven is None and not is_api_key(token):
                proven = await authenticator.verify(token)
        except ServiceError:
            await count(request, None)
            raise
        # Only auth-service knows whether an API key is genuine: until then the address is counted.
        await count(request, proven)
        if cached is not None:
            return token, cached
        claims = await authenticator.authenticate(token, sender(request))
        if proven is None:
            await count(request, claims)
        return token, claims

    return authenticate


def _admit_public(count: Count) -> Admit:
    """A token that a public route does not need is passed on; the service verifies it if it uses it."""

    async def admit(request: Request) -> tuple[str, None]:
        await count(request, None)
        scheme, _, token = request.header(b"authorization").partition(" ")
        return (token.strip() if scheme.lower() == "bearer" else ""), None

    return admit

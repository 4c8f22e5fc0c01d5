"""Who may call a route: the token at the edge, so that strangers cost no service anything.

Every service judges again; the edge is not trusted.
"""

from collections.abc import Awaitable, Callable

from chassis.errors import Forbidden
from chassis.grpc.access import bearer_token, report_refused_key
from chassis.grpc.authorization import compile_authorization
from chassis.grpc.policy import Policy
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims
from chassis.identity.judge import RevocationJudge
from vestibule.api.v1 import options_pb2

from gateway.http.request import Request

Admit = Callable[[Request], Awaitable[tuple[str, Claims | None]]]
"""Takes a request; returns the bearer token and its claims."""


def compile_admission(policy: Policy, judge: RevocationJudge) -> Admit:
    """Returns what admits requests of a route, or raises.

    It raises `Unauthenticated`, `TokenInvalid`, `TokenExpired`, `TokenRevoked`,
    `SecondFactorRequired`, `Forbidden`, `ReauthenticationRequired` or `Unavailable`. What depends on
    the request's fields is decided where they are read, in `gateway.api.request_reader`.
    """
    if policy.access == options_pb2.ACCESS_PUBLIC:
        return _anyone
    authorize = compile_authorization(policy)

    async def admit(request: Request) -> tuple[str, Claims]:
        token = bearer_token(request.header(b"authorization"))
        claims = judge.recall(token) or await judge.judge(token, sender(request))
        request.claims = claims
        try:
            authorize(claims)
        except Forbidden:
            await report_refused_key(judge, policy, claims, sender(request))
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


async def _anyone(request: Request) -> tuple[str, None]:
    """A token that nobody asks for is handed on; who needs it judges it."""
    scheme, _, token = request.header(b"authorization").partition(" ")
    return (token.strip() if scheme.lower() == "bearer" else ""), None

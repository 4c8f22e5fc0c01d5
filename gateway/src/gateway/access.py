"""Who may call a route: the token at the edge, so that strangers cost no service anything.

Every service judges again; the edge is not trusted.
"""

from collections.abc import Awaitable, Callable, Mapping

from chassis.errors import Forbidden, SecondFactorRequired
from chassis.grpc.access import bearer_token
from chassis.grpc.policy import Policy
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims
from chassis.identity.judge import RevocationJudge
from vestibule.api.v1 import options_pb2

from gateway.http.request import Request

Admit = Callable[[Request, Mapping[str, str]], Awaitable[tuple[str, Claims | None]]]
"""Takes request and path values; returns the bearer token and its claims."""


def compile_admission(policy: Policy, judge: RevocationJudge) -> Admit:
    """Returns what admits requests of a route, or raises.

    It raises `Unauthenticated`, `TokenInvalid`, `TokenExpired`, `TokenRevoked`,
    `SecondFactorRequired`, `Forbidden` or `Unavailable`.
    """
    if policy.access == options_pb2.ACCESS_PUBLIC:
        return _anyone
    must_be_admin = policy.access == options_pb2.ACCESS_ADMIN
    or_self = policy.access == options_pb2.ACCESS_ADMIN_OR_SELF
    key_scope, before_enrolment = policy.key_scope, policy.options.before_enrolment

    async def admit(request: Request, path: Mapping[str, str]) -> tuple[str, Claims]:
        token = bearer_token(request.header(b"authorization"))
        claims = judge.recall(token) or await judge.judge(token, sender(request))
        request.claims = claims
        if claims.must_enrol and not before_enrolment:
            raise SecondFactorRequired
        if claims.scopes is not None and key_scope not in claims.scopes:
            await judge.report_refusal(claims, policy.path, sender(request))
            raise Forbidden
        if claims.role != "admin":
            if must_be_admin:
                raise Forbidden
            if or_self and "user_id" in path and path["user_id"] != str(claims.user_id):
                raise Forbidden
        return token, claims

    return admit


def sender(request: Request) -> Caller:
    """Returns who sent a request, whoever they prove to be."""
    return Caller(
        client_address=request.client_address,
        user_agent=request.header(b"user-agent"),
        request_id=request.request_id,
    )


async def _anyone(request: Request, path: Mapping[str, str]) -> tuple[str, None]:
    """A token that nobody asks for is handed on; who needs it judges it."""
    del path
    scheme, _, token = request.header(b"authorization").partition(" ")
    return (token.strip() if scheme.lower() == "bearer" else ""), None

"""Which limits a request counts against, and for whom.

Everybody has one limit on everything together, and a route may have another of its own. A
request counts for the user or the API key that is known to have sent it, and for the client's
address otherwise.
"""

from chassis.addresses import counted_as
from chassis.auth_client.authenticator import TokenAuthenticator
from chassis.errors import ServiceError
from chassis.grpc.access import bearer_token
from chassis.identity.claims import Claims
from prometheus_client import Counter
from vestibule.api.v1 import options_pb2

from gateway.http.problems import RateLimited
from gateway.http.request import Request
from gateway.limits.headers import rate_limit_headers
from gateway.limits.rate_limiter import Limit, RateLimiter, Verdict

_LIMITED = Counter("gateway_rate_limited_total", "Requests refused as too many of one client.", ["limit"])


class RequestLimits:
    """Counts requests.

    Args:
        limiter: Counts; None when limits are off.
        authenticator: Knows which tokens are good.
        everything: The limit on everything together; None for no such limit.
    """

    def __init__(
        self, limiter: RateLimiter | None, authenticator: TokenAuthenticator, everything: Limit | None
    ) -> None:
        self._limiter = limiter
        self._authenticator = authenticator
        self._everything = everything

    async def count(self, request: Request, claims: Claims | None, own: Limit | None = None) -> None:
        """Counts a request, and notes in it what its answer says of the limits.

        Args:
            request: The request.
            claims: Who sent it; None when nobody has proven that, or when no route asked. It then
                counts for the bearer of a token that memory knows, or for the client's address.
            own: The limit of the route.

        Raises:
            RateLimited: it is one too many.
        """
        limiter = self._limiter
        if limiter is None:
            return
        if claims is None:
            claims = self._remembered(request)
        taken: list[tuple[Limit, Verdict]] = []
        # The limit on everything goes first: beyond it nothing is asked of Redis.
        if self._everything is not None:
            verdict = await limiter.take(self._everything, counted_for(request, claims))
            taken.append((self._everything, verdict))
            if not verdict.allowed:
                raise _refusal(request, taken)
        if own is not None:
            key = counted_for(request, claims) if own.by_user else counted_as(request.client_address)
            verdict = await limiter.take(own, key)
            taken.insert(0, (own, verdict))
            if not verdict.allowed:
                raise _refusal(request, taken[:1])
        if taken:
            request.limit_headers = rate_limit_headers(taken)

    def _remembered(self, request: Request) -> Claims | None:
        """Returns who sent a request, as far as memory knows; no service is asked."""
        authorization = request.headers.get(b"authorization")
        if authorization is None:
            return None
        try:
            return self._authenticator.authenticate_cached(bearer_token(authorization.decode("latin-1")))
        except ServiceError:
            return None


def route_limit(method_name: str, options: options_pb2.MethodPolicy) -> Limit | None:
    """Returns the limit that a method's policy declares; None when it has none."""
    rate = options.rate_limit
    if not rate.requests:
        return None
    by_user = rate.by == options_pb2.LIMITED_BY_USER
    return Limit(method_name.lower(), rate.requests, rate.window.ToNanoseconds() / 1e9, by_user)


def counted_for(request: Request, claims: Claims | None) -> str:
    """Returns what a request counts for: an API key, a user, or a client where neither is proven."""
    if claims is None:
        return counted_as(request.client_address)
    if claims.session_id is None:
        return f"key:{claims.token_id.hex}"
    return f"user:{claims.user_id.hex}"


def _refusal(request: Request, taken: list[tuple[Limit, Verdict]]) -> RateLimited:
    limit, verdict = taken[0]
    _LIMITED.labels(limit.name).inc()
    request.limit_headers = rate_limit_headers(taken)
    return RateLimited(retry_after_seconds=verdict.reset_seconds)

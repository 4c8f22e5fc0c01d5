"""Which limits a request counts against, and under which client.

Each client has one limit on all requests together, and a route may have its own. A request counts for
the user or API key if that is proven, otherwise for the client's address.
"""

from chassis.addresses import counted_as
from chassis.auth_client.authenticator import TokenAuthenticator
from chassis.errors import ServiceError
from chassis.grpc.admission import bearer_token
from chassis.identity.claims import Claims
from prometheus_client import Counter
from vestibule.api.v1 import options_pb2

from gateway.http.problems import RateLimited
from gateway.http.request import Request
from gateway.limits.headers import rate_limit_headers
from gateway.limits.leases import LeasingRateLimiter
from gateway.limits.rate_limiter import Decision, Limit

_LIMITED = Counter(
    "gateway_rate_limited_total", "Requests refused because their client exceeded a limit.", ["limit"]
)


class RequestLimits:
    """Counts requests against their limits.

    Args:
        limiter: Counts; None if limits are off.
        authenticator: Finds the user of a request whose route does not authenticate.
        total: The limit on all requests of a client together; None for no such limit.
    """

    def __init__(
        self, limiter: LeasingRateLimiter | None, authenticator: TokenAuthenticator, total: Limit | None
    ) -> None:
        self._limiter = limiter
        self._authenticator = authenticator
        self._total = total

    async def count(self, request: Request, claims: Claims | None, own: Limit | None = None) -> None:
        """Counts a request, and sets the `RateLimit` fields of its response.

        Args:
            request: The request.
            claims: The authenticated caller's; None if not authenticated. The request then counts for
                the user of a cached token, or for the client's address.
            own: The route's limit.

        Raises:
            RateLimited: the limit is exceeded.
        """
        limiter = self._limiter
        if limiter is None:
            return
        if claims is None:
            claims = self._cached_claims(request)
        taken: list[tuple[Limit, Decision]] = []
        # The total comes first: once it is exceeded, Redis is not asked for the route's own.
        if self._total is not None:
            decision = await limiter.take(self._total, _client(self._total, request, claims))
            taken.append((self._total, decision))
            if not decision.allowed:
                raise _refusal(request, taken)
        if own is not None:
            decision = await limiter.take(own, _client(own, request, claims))
            taken.insert(0, (own, decision))
            if not decision.allowed:
                raise _refusal(request, taken)
        if taken:
            request.limit_headers = rate_limit_headers(taken)

    def count_at_once(self, request: Request, claims: Claims, own: Limit | None) -> bool:
        """Counts a request as `count` does if leases allow it at once; otherwise returns False, uncounted."""
        if self._limiter is None:
            return True
        limits = [limit for limit in (own, self._total) if limit is not None]
        if not limits:
            return True
        decisions = self._limiter.take_leased([(limit, _client(limit, request, claims)) for limit in limits])
        if decisions is None:
            return False
        request.limit_headers = rate_limit_headers(list(zip(limits, decisions, strict=True)))
        return True

    def _cached_claims(self, request: Request) -> Claims | None:
        """Returns the claims of a request's token if they are cached; calls no service."""
        authorization = request.headers.get(b"authorization")
        if authorization is None:
            return None
        try:
            return self._authenticator.authenticate_cached(bearer_token(authorization.decode("latin-1")))
        except ServiceError:
            return None


def route_limit(method_name: str, options: options_pb2.MethodPolicy) -> Limit | None:
    """Returns the limit in a method's policy; None if it has none."""
    rate = options.rate_limit
    if not rate.requests:
        return None
    by_user = rate.by == options_pb2.LIMITED_BY_USER
    return Limit(method_name.lower(), rate.requests, rate.window.ToNanoseconds() / 1e9, by_user)


def counted_for(request: Request, claims: Claims | None) -> str:
    """Returns the key to count a request under: its API key, its user, or its address."""
    if claims is None:
        return counted_as(request.client_address)
    if claims.session_id is None:
        return f"key:{claims.token_id.hex}"
    return f"user:{claims.user_id.hex}"


def _client(limit: Limit, request: Request, claims: Claims | None) -> str:
    return counted_for(request, claims) if limit.by_user else counted_as(request.client_address)


def _refusal(request: Request, taken: list[tuple[Limit, Decision]]) -> RateLimited:
    limit, decision = taken[0]
    _LIMITED.labels(limit.name).inc()
    request.limit_headers = rate_limit_headers(taken)
    return RateLimited(retry_after_seconds=decision.reset_seconds)

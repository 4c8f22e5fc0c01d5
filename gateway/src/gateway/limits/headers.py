"""The `RateLimit` and `RateLimit-Policy` fields of draft-ietf-httpapi-ratelimit-headers-11."""

import math
from collections.abc import Sequence
from functools import lru_cache

from gateway.http.response import Header
from gateway.limits.rate_limiter import Decision, Limit


def rate_limit_headers(taken: Sequence[tuple[Limit, Decision]]) -> list[Header]:
    """Returns the fields with the state of a client's limits.

    Args:
        taken: The limits that the request counted against, the route's own first.
    """
    state = ", ".join(
        f'"{limit.name}";r={decision.remaining};t={math.ceil(decision.reset_seconds)}'
        for limit, decision in taken
    )
    return [_policy(tuple(limit for limit, _ in taken)), (b"ratelimit", state.encode())]


@lru_cache
def _policy(limits: tuple[Limit, ...]) -> Header:
    policy = ", ".join(
        f'"{limit.name}";q={limit.requests};w={math.ceil(limit.window_seconds)}' for limit in limits
    )
    return (b"ratelimit-policy", policy.encode())

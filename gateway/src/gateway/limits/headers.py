"""The `RateLimit` and `RateLimit-Policy` fields of draft-ietf-httpapi-ratelimit-headers-11."""

import math
from functools import lru_cache

from gateway.http.answer import Header
from gateway.limits.rate_limiter import Limit, Verdict


def rate_limit_headers(limit: Limit, verdict: Verdict) -> list[Header]:
    """Returns the fields that tell a client where it stands."""
    state = f'"{limit.name}";r={verdict.remaining};t={math.ceil(verdict.reset_seconds)}'
    return [_policy(limit), (b"ratelimit", state.encode())]


@lru_cache
def _policy(limit: Limit) -> Header:
    policy = f'"{limit.name}";q={limit.requests};w={math.ceil(limit.window_seconds)}'
    return (b"ratelimit-policy", policy.encode())

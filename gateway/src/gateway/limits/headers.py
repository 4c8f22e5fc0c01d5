"""The `RateLimit` and `RateLimit-Policy` fields of draft-ietf-httpapi-ratelimit-headers-11."""

import math

from gateway.http.answer import Header
from gateway.limits.rate_limiter import Limit, Verdict


def rate_limit_headers(limit: Limit, verdict: Verdict) -> list[Header]:
    """Returns the fields that tell a client where it stands."""
    policy = f'"{limit.name}";q={limit.requests};w={math.ceil(limit.window_seconds)}'
    state = f'"{limit.name}";r={verdict.remaining};t={math.ceil(verdict.reset_seconds)}'
    return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", state.encode())]

"""Limits are counted in Redis for all gateways, in memory without it, and reported as the draft specifies."""

import httpx
import pytest
from chassis.redis import open_redis
from devstack.valkey import Valkey
from gateway.limits.headers import rate_limit_headers
from gateway.limits.rate_limiter import Decision, Limit, MemoryRateLimiter, RedisRateLimiter

from tests.gateway.stack import FakeUpstream, serving_gateway, serving_users, settings
from tests.user_service.auth_stand_in import AuthStandIn

THREE = Limit("three", 3, 60)


@pytest.mark.parametrize("kind", ["redis", "memory"])
async def test_a_window_lets_so_many_through(valkey: Valkey, kind: str) -> None:
    """The fourth has to wait until the first is a window old; others are counted apart."""
    async with open_redis(valkey.url, client_name="t") as redis:
        limiter = RedisRateLimiter(redis) if kind == "redis" else MemoryRateLimiter()
        verdicts = [await limiter.take(THREE, "client") for _ in range(4)]
        other = await limiter.take(THREE, "other")

    assert [decision.allowed for decision in verdicts] == [True, True, True, False]
    assert [decision.remaining for decision in verdicts] == [2, 1, 0, 0]
    assert 55 < verdicts[3].reset_seconds <= 60
    assert other.allowed


@pytest.mark.parametrize("kind", ["redis", "memory"])
async def test_the_window_slides(valkey: Valkey, kind: str) -> None:
    """Once the oldest request has left it, one more is let through."""
    import asyncio  # noqa: PLC0415

    quick = Limit("quick", 2, 0.3)
    async with open_redis(valkey.url, client_name="t") as redis:
        limiter = RedisRateLimiter(redis) if kind == "redis" else MemoryRateLimiter()
        assert [(await limiter.take(quick, "c")).allowed for _ in range(3)] == [True, True, False]
        await asyncio.sleep(0.35)
        assert (await limiter.take(quick, "c")).allowed


async def test_gateways_count_together(valkey: Valkey) -> None:
    """A client cannot have the limit once a gateway."""
    async with open_redis(valkey.url, client_name="t") as one, open_redis(valkey.url, client_name="t") as two:
        limiters = [RedisRateLimiter(one), RedisRateLimiter(two)]
        allowed = [(await limiters[number % 2].take(THREE, "client")).allowed for number in range(6)]

    assert sum(allowed) == 3


async def test_without_redis_each_counts_for_itself(own_valkey: Valkey) -> None:
    """The door is never open: limits hold in memory while Redis is away."""
    async with open_redis(own_valkey.url, client_name="t", timeout_seconds=0.2) as redis:
        limiter = RedisRateLimiter(redis)
        await limiter.take(THREE, "client")
        own_valkey.kill()
        allowed = [(await limiter.take(THREE, "client")).allowed for _ in range(5)]

    assert allowed == [True, True, True, False, False]


def test_fields_are_those_of_the_draft() -> None:
    """`RateLimit-Policy` names the limit, `RateLimit` where the client stands."""
    login = (Limit("login", 10, 60), Decision(True, 7, 12.3))
    everything = (Limit("client", 1200, 60), Decision(True, 1100, 59.5))

    assert rate_limit_headers([login, everything]) == [
        (b"ratelimit-policy", b'"login";q=10;w=60, "client";q=1200;w=60'),
        (b"ratelimit", b'"login";r=7;t=13, "client";r=1100;t=60'),
    ]


async def test_limited_route(auth: AuthStandIn, upstream: FakeUpstream, valkey: Valkey) -> None:
    """The sixth registration of an hour is 429 before anything is read; every response has the limit."""
    async with (
        serving_users(upstream) as users,
        serving_gateway(settings(auth, users, valkey, trusted_proxies="127.0.0.0/8")) as gateway,
    ):
        answers = [
            await gateway.http.post(
                "/api/auth/register", content=b"{", headers={"content-type": "application/json"}
            )
            for _ in range(6)
        ]
        elsewhere = await gateway.http.post(
            "/api/auth/register", json={}, headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
        )

    assert [answer.status_code for answer in answers] == [400] * 5 + [httpx.codes.TOO_MANY_REQUESTS]
    assert answers[5].json()["error"]["code"] == "RATE_LIMITED"
    assert 3500 < int(answers[5].headers["retry-after"]) <= 3600
    assert answers[0].headers["ratelimit-policy"] == '"register";q=5;w=3600, "client";q=1200;w=60'
    assert answers[0].headers["ratelimit"].startswith('"register";r=4;t=3')
    assert elsewhere.status_code == 422

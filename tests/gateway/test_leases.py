"""Leased limits: never more than the limit, hardly less, and a round trip for many requests."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from chassis.redis import RedisClient, open_redis
from devstack.valkey import Valkey
from gateway.limits.leases import LeasingRateLimiter
from gateway.limits.rate_limiter import Limit, RedisRateLimiter

HOUR = Limit("hour", 2_000, 3600)
QUICK = Limit("quick", 100, 1.0)


@pytest.fixture(name="redis")
async def _redis(valkey: Valkey) -> AsyncIterator[RedisClient]:
    async with open_redis(valkey.url, client_name="t") as redis:
        yield redis


async def _calls(redis: RedisClient) -> int:
    """Returns how often a script has been run."""
    (stats,) = await redis.ask(("INFO", "commandstats"))
    return sum(map(int, re.findall(rb"cmdstat_eval(?:sha)?:calls=(\d+)", stats)))


@pytest.mark.parametrize("gateways", [1, 2, 5])
async def test_the_limit_is_global_within_five_percent(redis: RedisClient, gateways: int) -> None:
    """However a client spreads its requests: never one too many, at most one in twenty too few."""
    limiters = [LeasingRateLimiter(RedisRateLimiter(redis)) for _ in range(gateways)]
    # Each gateway is asked once, then the client stays with the first: the others' leases are lost to it.
    verdicts = [await limiter.take(HOUR, "client") for limiter in limiters]
    while verdicts[-1].allowed:
        verdicts.append(await limiters[0].take(HOUR, "client"))
    allowed = sum(decision.allowed for decision in verdicts)
    other = await limiters[0].take(HOUR, "other")

    assert HOUR.requests * 0.95 <= allowed <= HOUR.requests
    assert verdicts[-1].remaining == 0
    assert verdicts[-1].reset_seconds > 0
    assert other.allowed


async def test_many_requests_share_a_round_trip(redis: RedisClient) -> None:
    """Also when they come at the same time."""
    before = await _calls(redis)
    limiter = LeasingRateLimiter(RedisRateLimiter(redis))
    verdicts = await asyncio.gather(*(limiter.take(HOUR, "client") for _ in range(1_000)))

    assert all(decision.allowed for decision in verdicts)
    assert len({decision.remaining for decision in verdicts}) > 900
    assert await _calls(redis) - before < 1_000 / 10


async def test_another_window_lets_through_again(redis: RedisClient) -> None:
    """A refused client learns when to retry, and is allowed then."""
    limiter = LeasingRateLimiter(RedisRateLimiter(redis))
    decision = await limiter.take(QUICK, "client")
    while decision.allowed:
        decision = await limiter.take(QUICK, "client")
    async with asyncio.timeout(20):
        while not decision.allowed:
            await asyncio.sleep(decision.reset_seconds)
            decision = await limiter.take(QUICK, "client")


async def test_without_redis_each_counts_for_itself(own_valkey: Valkey) -> None:
    """The door is never open."""
    async with open_redis(own_valkey.url, client_name="t", timeout_seconds=0.2) as redis:
        limiter = LeasingRateLimiter(RedisRateLimiter(redis))
        own_valkey.kill()
        allowed = [(await limiter.take(HOUR, "client")).allowed for _ in range(HOUR.requests + 5)]

    assert sum(allowed) == HOUR.requests

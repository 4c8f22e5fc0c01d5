"""Leased limits: never more than the limit, hardly less, and a round trip for many requests."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from chassis.redis import RedisClient, Script, open_redis
from devstack.valkey import Valkey
from gateway.limits.leases import LeasingRateLimiter
from gateway.limits.rate_limiter import UNREACHABLE_SECONDS, Limit, RedisRateLimiter

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


class HeldAnswers(RedisRateLimiter):
    """Asks Redis, and holds each answer back until it is let go."""

    def __init__(self, redis: RedisClient) -> None:
        super().__init__(redis)
        self.answered = asyncio.Event()
        self.let_go = asyncio.Event()

    async def ask(self, script: Script, key: str, *arguments: str | int) -> list[Any] | None:
        """Returns what Redis answered."""
        answer = await super().ask(script, key, *arguments)
        self.answered.set()
        await self.let_go.wait()
        return answer


async def test_more_requests_than_a_lease_has_in_the_turn_in_which_it_comes(redis: RedisClient) -> None:
    """Those that the lease has nothing left for get another one: the gateway goes on."""
    exact = HeldAnswers(redis)
    limiter = LeasingRateLimiter(exact)
    first = asyncio.create_task(limiter.take(HOUR, "client"))
    await exact.answered.wait()
    exact.let_go.set()
    verdicts = await asyncio.gather(
        first, *(limiter.take(HOUR, "client") for _ in range(HOUR.requests // 10))
    )

    assert all(decision.allowed for decision in verdicts)


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


async def test_a_moment_without_redis_is_no_whole_window(redis: RedisClient) -> None:
    """What Redis knows of a client counts again as soon as it answers."""
    exact = RedisRateLimiter(redis)
    limiter = LeasingRateLimiter(exact)
    while (await limiter.take(HOUR, "known")).allowed:
        pass
    away = AwayForOneCall(redis)
    beside = LeasingRateLimiter(away)
    assert (await beside.take(HOUR, "known")).allowed
    await asyncio.sleep(UNREACHABLE_SECONDS)

    assert not (await beside.take(HOUR, "known")).allowed


class AwayForOneCall(RedisRateLimiter):
    """Gets no answer from Redis once."""

    asked = 0

    async def ask(self, script: Script, key: str, *arguments: str | int) -> list[Any] | None:
        """Returns what Redis answered, but to the first question."""
        self.asked += 1
        return None if self.asked == 1 else await super().ask(script, key, *arguments)

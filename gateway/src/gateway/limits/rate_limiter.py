"""Rate limits per client: a sliding window in Redis, in memory while Redis is away, never open."""

import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from chassis.redis import explain
from prometheus_client import Gauge
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from chassis import ids

log = structlog.get_logger()

# Keeps one member a request let through; what is older than the window goes first. Atomic.
_SLIDING_WINDOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[1])
local limit = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local used = redis.call('ZCARD', KEYS[1])
local allowed = 0
if used < limit then
  redis.call('ZADD', KEYS[1], now, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], window)
  allowed = 1
  used = used + 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {allowed, limit - used, oldest[2] + window - now}
"""

AWAY_SECONDS = 1.0
CLIENTS_IN_MEMORY_MAX = 50_000

_IN_MEMORY = Gauge(
    "gateway_rate_limits_in_memory", "1 while Redis is away and each gateway counts requests for itself."
)


@dataclass(frozen=True, slots=True)
class Limit:
    """How often a client may call one method.

    Attributes:
        name: Names the limit in headers and keys.
        requests: Requests in a window.
        window_seconds: The window's length.
        by_user: Whether signed-in callers are counted by user or API key; all others, and
            everybody where this is false, are counted by address.
    """

    name: str
    requests: int
    window_seconds: float
    by_user: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a limiter says of one request.

    Attributes:
        allowed: Whether it may go on.
        remaining: Requests left in this window.
        reset_seconds: Until one more is let through.
    """

    allowed: bool
    remaining: int
    reset_seconds: float


class RateLimiter(Protocol):
    """Counts requests."""

    async def take(self, limit: Limit, client: str) -> Verdict:
        """Counts one request of a client and says whether it may go on."""
        ...


class MemoryRateLimiter:
    """Counts in this process alone."""

    def __init__(self) -> None:
        self._taken: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    async def take(self, limit: Limit, client: str) -> Verdict:
        """Counts one request of a client and says whether it may go on."""
        now = time.monotonic()
        key = (limit.name, client)
        taken = self._taken.setdefault(key, deque())
        self._taken.move_to_end(key)
        if len(self._taken) > CLIENTS_IN_MEMORY_MAX:
            self._taken.popitem(last=False)
        while taken and taken[0] <= now - limit.window_seconds:
            taken.popleft()
        allowed = len(taken) < limit.requests
        if allowed:
            taken.append(now)
        return Verdict(allowed, limit.requests - len(taken), taken[0] + limit.window_seconds - now)


class RedisRateLimiter:
    """Counts in Redis, for all gateways together. While Redis is away each counts for itself."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = self.script(_SLIDING_WINDOW)
        self._fallback = MemoryRateLimiter()
        self._away_until = float("-inf")
        self._away = False
        _IN_MEMORY.set_function(lambda: self._away)

    def script(self, text: str) -> AsyncScript:
        """Returns a script for `ask`."""
        return self._redis.register_script(text)

    async def take(self, limit: Limit, client: str) -> Verdict:
        """Counts one request of a client and says whether it may go on."""
        window = int(limit.window_seconds * 1000)
        key = f"vestibule:limit:{limit.name}:{client}"
        answer = await self.ask(self._script, key, window, limit.requests, str(ids.uuid7()))
        if answer is None:
            return await self._fallback.take(limit, client)
        allowed, remaining, reset_milliseconds = answer
        return Verdict(bool(allowed), int(remaining), float(reset_milliseconds) / 1000)

    async def ask(self, script: AsyncScript, key: str, *arguments: str | int) -> list[Any] | None:
        """Runs a script on one key; returns None while Redis is away."""
        if time.monotonic() < self._away_until:
            return None
        try:
            answer: list[Any] = await script(keys=[key], args=list(arguments))
        except (RedisError, OSError) as error:
            if not self._away:
                log.warning("rate limits are counted in memory: Redis is away", error=explain(error))
            self._away = True
            # Not every request shall wait for a connection that does not come.
            self._away_until = time.monotonic() + AWAY_SECONDS
            return None
        if self._away:
            log.info("rate limits are counted in Redis again")
            self._away = False
        return answer

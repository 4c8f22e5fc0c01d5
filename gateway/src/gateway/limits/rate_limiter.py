"""Rate limits per client: a sliding window in Redis, or in memory while Redis is unreachable."""

import time
from collections import OrderedDict, deque
from typing import Any

import structlog
from chassis.dataclass import dataclass
from chassis.redis import RedisClient, Script, explain
from chassis.redis_connection import FAILURES
from prometheus_client import Gauge

from chassis import ids

log = structlog.get_logger()

# Keeps one member per allowed request and drops those older than the window. Atomic.
_SLIDING_WINDOW = Script("""
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
""")

CLIENT_LIMIT_SECONDS = 60.0
UNREACHABLE_SECONDS = 1.0
CLIENTS_IN_MEMORY_MAX = 50_000

_IN_MEMORY = Gauge(
    "gateway_rate_limits_in_memory", "1 while Redis is unreachable and each gateway counts by itself."
)


@dataclass(frozen=True, slots=True)
class Limit:
    """How often a client may call one method.

    Attributes:
        name: The limit's name in headers and keys.
        requests: Allowed requests per window.
        window_seconds: The window's length.
        by_user: Whether authenticated callers are counted by user or API key; all other requests
            are counted by address.
    """

    name: str
    requests: int
    window_seconds: float
    by_user: bool = False


def client_limit(requests: int) -> Limit:
    """Returns the limit on all requests of one client together, per minute."""
    return Limit("client", requests, CLIENT_LIMIT_SECONDS, by_user=True)


@dataclass(frozen=True, slots=True)
class Decision:
    """A limiter's decision about one request.

    Attributes:
        allowed: Whether it may proceed.
        remaining: Requests left in this window.
        reset_seconds: Until the next request is allowed.
    """

    allowed: bool
    remaining: int
    reset_seconds: float


class MemoryRateLimiter:
    """Counts in this process only."""

    def __init__(self) -> None:
        self._taken: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    async def take(self, limit: Limit, client: str) -> Decision:
        """Counts one request of a client and decides whether it may proceed."""
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
        return Decision(allowed, limit.requests - len(taken), taken[0] + limit.window_seconds - now)


class RedisRateLimiter:
    """Counts in Redis, for all gateways together; in memory while Redis is unreachable."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._fallback = MemoryRateLimiter()
        self._skip_until = float("-inf")
        self._unreachable = False
        _IN_MEMORY.set_function(lambda: self._unreachable)

    async def take(self, limit: Limit, client: str) -> Decision:
        """Counts one request of a client and decides whether it may proceed."""
        window = int(limit.window_seconds * 1000)
        key = f"vestibule:limit:{limit.name}:{client}"
        answer = await self.ask(_SLIDING_WINDOW, key, window, limit.requests, str(ids.uuid7()))
        if answer is None:
            return await self._fallback.take(limit, client)
        allowed, remaining, reset_milliseconds = answer
        return Decision(bool(allowed), int(remaining), float(reset_milliseconds) / 1000)

    async def ask(self, script: Script, key: str, *arguments: str | int) -> list[Any] | None:
        """Runs a script on one key; returns None while Redis is unreachable."""
        if time.monotonic() < self._skip_until:
            return None
        try:
            answer: list[Any] = await self._redis.run(script, key, *arguments)
        except FAILURES as error:
            if not self._unreachable:
                log.warning("Redis unreachable; rate limits are counted in memory", error=explain(error))
            self._unreachable = True
            # So that not every request waits for a connection.
            self._skip_until = time.monotonic() + UNREACHABLE_SECONDS
            return None
        if self._unreachable:
            log.info("Redis reachable again; rate limits are counted there")
            self._unreachable = False
        return answer

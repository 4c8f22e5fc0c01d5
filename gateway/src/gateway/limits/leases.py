"""Large limits: a gateway leases a hundredth of the remaining requests from Redis with one round trip.

Requests are taken from Redis before they are used, so that all gateways together never allow more than
the limit. A client that moves to another gateway loses the rest of its lease: at most a hundredth of the
limit per gateway.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence

from chassis.dataclass import dataclass
from chassis.redis import Script

from gateway.limits.rate_limiter import (
    CLIENTS_IN_MEMORY_MAX,
    UNREACHABLE_SECONDS,
    Decision,
    Limit,
    RedisRateLimiter,
)

LEASED_FROM = 1_000
"""Limits from this size are leased; smaller ones cost a round trip per request, and are exact."""

# A sliding window by two counters: this window's, and the share of the last one's that still counts.
_LEASE = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local index = math.floor(now / window)
local seen = redis.call('HMGET', KEYS[1], 'index', 'taken', 'before')
local age = index - (tonumber(seen[1]) or index)
local taken, before = tonumber(seen[2]) or 0, tonumber(seen[3]) or 0
if age == 1 then taken, before = 0, taken elseif age > 1 then taken, before = 0, 0 end
local elapsed = now - index * window
local left = math.floor(limit - taken - before * (1 - elapsed / window))
if left < 1 then
  local until_one = window - elapsed
  if taken < limit then until_one = window * (1 - (limit - taken - 1) / before) - elapsed end
  return {0, 0, math.max(1, math.ceil(until_one))}
end
local lease = math.max(1, math.floor(left / 100))
redis.call('HSET', KEYS[1], 'index', index, 'taken', taken + lease, 'before', before)
redis.call('PEXPIRE', KEYS[1], 2 * window)
return {lease, left - lease, math.max(1, window - elapsed)}
""")


@dataclass(slots=True)
class _Lease:
    """Requests that may be used; with none left, the client is refused until the lease ends.

    Attributes:
        window_ends_at: Until when the requests last that this gateway counts by itself; 0 for those of Redis.
    """

    tokens: int
    left: int
    ends_at: float
    refused: bool
    window_ends_at: float = 0.0


class LeasingRateLimiter:
    """Leases large limits; passes small ones to the exact limiter."""

    def __init__(self, exact: RedisRateLimiter) -> None:
        self._exact = exact
        self._leases: OrderedDict[tuple[str, str], _Lease] = OrderedDict()
        self._renewals: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def take(self, limit: Limit, client: str) -> Decision:
        """Counts one request of a client and says whether it may go on."""
        if limit.requests < LEASED_FROM:
            return await self._exact.take(limit, client)
        key = (limit.name, client)
        while True:
            lease, now = self._leases.get(key), time.monotonic()
            if lease is not None and now < lease.ends_at:
                if lease.tokens:
                    lease.tokens -= 1
                    return Decision(True, lease.left + lease.tokens, lease.ends_at - now)  # noqa: FBT003
                if lease.refused:
                    return Decision(False, 0, lease.ends_at - now)  # noqa: FBT003
            await self._renewed(key, limit)

    def take_leased(self, counts: Sequence[tuple[Limit, str]]) -> list[Decision] | None:
        """Counts one request against several limits if leases allow it at once, and otherwise against none.

        Args:
            counts: Each limit with the client that it counts.
        """
        now = time.monotonic()
        leases = []
        for limit, client in counts:
            lease = self._leases.get((limit.name, client))
            if lease is None or not lease.tokens or now >= lease.ends_at:
                return None
            leases.append(lease)
        decisions = []
        for lease in leases:
            lease.tokens -= 1
            decisions.append(Decision(True, lease.left + lease.tokens, lease.ends_at - now))  # noqa: FBT003
        return decisions

    async def _renewed(self, key: tuple[str, str], limit: Limit) -> None:
        """Renews a lease, once for all requests that wait for it."""
        task = self._renewals.get(key)
        if task is None:
            task = self._renewals[key] = asyncio.create_task(self._renew(key, limit))
        await asyncio.shield(task)

    async def _renew(self, key: tuple[str, str], limit: Limit) -> None:
        name, client = key
        try:
            answer = await self._exact.ask(
                _LEASE, f"vestibule:lease:{name}:{client}", int(limit.window_seconds * 1000), limit.requests
            )
        finally:
            # Not when the task is done: a request that came before would wait for a task that has ended,
            # again and again without letting the loop do anything else.
            del self._renewals[key]
        now = time.monotonic()
        if answer is None:
            lease = self._alone(self._leases.get(key), limit, now)
        else:
            tokens, left, milliseconds = answer
            lease = _Lease(tokens, left, now + milliseconds / 1000, refused=not tokens)
        self._leases[key] = lease
        self._leases.move_to_end(key)
        if len(self._leases) > CLIENTS_IN_MEMORY_MAX:
            self._leases.popitem(last=False)

    def _alone(self, before: _Lease | None, limit: Limit, now: float) -> _Lease:
        """Returns a lease of this gateway's own while Redis is unreachable, until Redis is asked again."""
        tokens, window_ends_at = limit.requests, now + limit.window_seconds
        if before is not None and now < before.window_ends_at:
            tokens, window_ends_at = before.tokens, before.window_ends_at
        ends_at = min(window_ends_at, now + UNREACHABLE_SECONDS)
        return _Lease(tokens, 0, ends_at, refused=True, window_ends_at=window_ends_at)

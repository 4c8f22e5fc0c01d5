"""Large limits, counted in Redis by the lease: a round trip for a hundredth of what is left, not for each.

Tokens are taken from Redis before they are spent, so that all gateways together never let through
more than the limit. A client that turns to another gateway leaves the rest of a lease behind: at
most a hundredth of the limit a gateway.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from gateway.limits.rate_limiter import CLIENTS_IN_MEMORY_MAX, Limit, RedisRateLimiter, Verdict

LEASED_FROM = 1_000
"""Limits of so many requests are leased; smaller ones are worth a round trip each, and exact."""

# A sliding window by two counters: what this window took, and the share of the last one that still counts.
_LEASE = """
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
"""


@dataclass(slots=True)
class _Lease:
    """Tokens to spend; none means that the client is refused until the lease ends."""

    tokens: int
    left: int
    ends_at: float
    refused: bool


class LeasingRateLimiter:
    """Leases large limits and hands small ones on."""

    def __init__(self, exact: RedisRateLimiter) -> None:
        self._exact = exact
        self._script = exact.script(_LEASE)
        self._leases: OrderedDict[tuple[str, str], _Lease] = OrderedDict()
        self._renewals: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def take(self, limit: Limit, client: str) -> Verdict:
        """Counts one request of a client and says whether it may go on."""
        if limit.requests < LEASED_FROM:
            return await self._exact.take(limit, client)
        key = (limit.name, client)
        while True:
            lease, now = self._leases.get(key), time.monotonic()
            if lease is not None and now < lease.ends_at:
                if lease.tokens:
                    lease.tokens -= 1
                    return Verdict(True, lease.left + lease.tokens, lease.ends_at - now)  # noqa: FBT003
                if lease.refused:
                    return Verdict(False, 0, lease.ends_at - now)  # noqa: FBT003
            await self._renewed(key, limit)

    async def _renewed(self, key: tuple[str, str], limit: Limit) -> None:
        """Renews a lease, once for all who wait for it."""
        task = self._renewals.get(key)
        if task is None:
            task = self._renewals[key] = asyncio.create_task(self._renew(key, limit))
            task.add_done_callback(lambda _: self._renewals.pop(key))
        await asyncio.shield(task)

    async def _renew(self, key: tuple[str, str], limit: Limit) -> None:
        name, client = key
        answer = await self._exact.ask(
            self._script, f"vestibule:lease:{name}:{client}", int(limit.window_seconds * 1000), limit.requests
        )
        now = time.monotonic()
        if answer is None:
            # Redis is away: this gateway counts a window for itself.
            lease = _Lease(limit.requests, 0, now + limit.window_seconds, refused=True)
        else:
            tokens, left, milliseconds = answer
            lease = _Lease(tokens, left, now + milliseconds / 1000, refused=not tokens)
        self._leases[key] = lease
        self._leases.move_to_end(key)
        if len(self._leases) > CLIENTS_IN_MEMORY_MAX:
            self._leases.popitem(last=False)

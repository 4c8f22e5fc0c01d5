"""Slots for streams: how many one client has open at all gateways together, as leases in Redis.

A slot that is neither renewed nor given back, because its gateway died, is free after a minute.
"""

from chassis.redis import RedisClient, Script

from gateway.limits.rate_limiter import RedisRateLimiter

LEASE_SECONDS = 60
RENEW_SECONDS = 20.0

# One member per open stream, whose score is the end of its lease. Atomic. The stream itself is not counted:
# its gateway may have renewed all its streams, this one among them, before this arrives, or may ask again.
# No ZREM: the gateway's user of Redis may not call it.
_TAKE = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], 0, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return {0} end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {1}
""")

# A lease of 0 gives a slot back, if it is there: its member goes when the next one is taken, or with the key.
_LEASE = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[1])
for index = 2, #ARGV do
  if lease > 0 then redis.call('ZADD', KEYS[1], now + lease, ARGV[index])
  else redis.call('ZADD', KEYS[1], 'XX', 0, ARGV[index]) end
end
if lease > 0 then redis.call('PEXPIRE', KEYS[1], lease) end
return {1}
""")


class StreamSlots:
    """Takes, renews and gives back slots. While Redis is away, each gateway counts for itself alone."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = RedisRateLimiter(redis)

    async def take(self, holder: str, slots_max: int, stream_id: str) -> bool:
        """Takes a slot of a holder for a stream; returns whether there was one."""
        answer = await self._redis.ask(_TAKE, _key(holder), slots_max, stream_id, LEASE_SECONDS * 1000)
        return answer is None or bool(answer[0])

    async def renew(self, holder: str, stream_ids: list[str]) -> None:
        """Renews the slots of a holder's streams."""
        await self._redis.ask(_LEASE, _key(holder), LEASE_SECONDS * 1000, *stream_ids)

    async def give_back(self, holder: str, stream_id: str) -> None:
        """Gives a stream's slot back."""
        await self._redis.ask(_LEASE, _key(holder), 0, stream_id)


def _key(holder: str) -> str:
    return f"vestibule:limit:streams:{holder}"

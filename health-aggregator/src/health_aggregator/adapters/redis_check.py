"""Checks Redis or Valkey: `PING`, replication and memory."""

import time

import redis.asyncio
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from health_aggregator.adapters import findings
from health_aggregator.domain.state import CheckResult

_FULL_SHARE = 0.9


class RedisCheck:
    """Asks over one connection that is kept, and made anew when it broke.

    Args:
        url: `redis://…`, with credentials.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: redis.asyncio.Redis | None = None

    async def __call__(self, timeout_seconds: float) -> CheckResult:
        """Asks once."""
        started = time.monotonic()
        if self._client is None:
            self._client = redis.asyncio.from_url(self._url, max_connections=1, retry=None)
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.ping()
                pipeline.info("replication")
                pipeline.info("memory")
                _, replication, memory = await pipeline.execute()
        except (OSError, RedisError) as error:
            await self.close()
            return _failed(error, started)
        except BaseException:
            # Cut short in the middle of an answer: this connection cannot be trusted any more.
            await self.close()
            raise
        return _judge(replication, memory, started)

    async def close(self) -> None:
        """Ends the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.connection_pool.disconnect()


def _judge(replication: dict[str, object], memory: dict[str, object], started: float) -> CheckResult:
    if replication.get("role") == "slave" and replication.get("master_link_status") != "up":
        return findings.degraded(started, "has lost the primary that it follows")
    limit, used = _number(memory.get("maxmemory")), _number(memory.get("used_memory"))
    if limit and used > _FULL_SHARE * limit:
        return findings.degraded(started, f"uses {used / limit:.0%} of its memory")
    return findings.up(started)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _failed(error: Exception, started: float) -> CheckResult:
    inner = type(error).__name__
    match error:
        case BusyLoadingError():
            return findings.down(started, "is loading its data", inner)
        case AuthenticationError():
            return findings.down(started, "refuses the credentials", inner)
        case RedisTimeoutError():
            return findings.down(started, findings.UNREACHABLE, inner, silent=True)
        case RedisConnectionError():
            cause = error.__cause__ or error.__context__
            if isinstance(cause, OSError) and not isinstance(cause, ConnectionResetError):
                return findings.unconnected(started, cause, "redis")
            return findings.down(started, findings.CLOSED, inner)
        case OSError():
            return findings.unconnected(started, error, "redis")
        case _:
            return findings.down(started, "does not answer as Redis does", inner)

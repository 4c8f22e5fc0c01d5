"""Redis or Valkey: a client with timeouts, traces, and errors that say what to do."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from chassis.errors import Unavailable
from chassis.tracing import traces

RETRY_AFTER_SECONDS = 1.0

_SAID_LENGTH = 160
_PIPELINE = re.compile(r"^Command # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)
_CREDENTIALS = re.compile(r"//[^@/\s]*@")
_ADVICE = (
    ("protected mode", "Redis takes no connections from outside: set a password there and in REDIS_URL"),
    ("invalid username-password", "correct the user and the password in REDIS_URL"),
    ("client already authenticated", "Redis wants a password: put it into REDIS_URL"),
    ("Authentication required", "Redis wants a password: put it into REDIS_URL"),
    ("no permissions", "the ACL of the user in REDIS_URL does not allow what this service does"),
    ("NOPERM", "the ACL of the user in REDIS_URL does not allow what this service does"),
    ("used memory", "Redis is full: raise its maxmemory"),
    ("read only replica", "REDIS_URL leads to a replica: name the server that writes"),
    ("Connection refused", "start Redis, or correct the host and port in REDIS_URL"),
    ("Connect call failed", "start Redis, or correct the host and port in REDIS_URL"),
    ("Name or service not known", "correct the host in REDIS_URL"),
)


def explain(error: BaseException) -> str:
    """Returns one line with Redis' error or the connection's, and what to do.

    It contains no arguments of commands and no password.
    """
    said = _PIPELINE.sub("", str(error)).partition(", with args")[0] or type(error).__name__
    text = _CREDENTIALS.sub("//", " ".join(said.split()))[:_SAID_LENGTH]
    advice = next((what for word, what in _ADVICE if word.lower() in said.lower()), None)
    return f"{type(error).__name__}: {text}" + (f" ({advice})" if advice else "")


class TracedRedis(Redis):
    """A client that records its commands as spans, if the trace is recorded."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Runs a command; its keys and values are not recorded."""
        if not traces.wants_spans():
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        name = str(args[0]).upper()
        attributes = {"db.system.name": "redis", "db.operation.name": name}
        with traces.span(name, "CLIENT", attributes):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def open_redis(
    url: str,
    *,
    client_name: str,
    timeout_seconds: float = 1.0,
    single_connection: bool = False,
    retries: int = 1,
) -> AsyncIterator[Redis]:
    """Opens a client and closes it at the end of the block; nothing connects before the first command.

    Do not wrap its commands in `wait_for`: a cancelled command loses the connection. The socket's timeouts
    end them.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        client_name: Shown by CLIENT LIST.
        timeout_seconds: For connecting and for each response; longer than any BLOCK.
        single_connection: Use one connection, so that every loss of it raises an error.
        retries: How often a failed command is retried on a new connection.
    """
    client: Redis = TracedRedis.from_url(
        url,
        client_name=client_name,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        socket_keepalive=True,
        single_connection_client=single_connection,
        retry=Retry(NoBackoff(), retries),
        decode_responses=False,
    )
    try:
        yield client
    finally:
        await client.aclose()


@contextmanager
def translated() -> Iterator[None]:
    """Turns every failure of Redis into `Unavailable`.

    Raises:
        Unavailable: Redis is unreachable, does not respond, or refuses the command.
    """
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable(retry_after_seconds=RETRY_AFTER_SECONDS) from error

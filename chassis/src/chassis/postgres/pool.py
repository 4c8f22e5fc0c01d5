"""The pool: opened strictly, healing by itself, refusing quickly when it is exhausted."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Literal
from urllib.parse import urlsplit

import asyncpg
import structlog
from prometheus_client import Counter, Gauge, Histogram

from chassis.postgres.connection import Connection, Transaction
from chassis.postgres.failures import LOST, meaning, translated
from chassis.postgres.statement_spans import statement
from chassis.startup import StartupError, StartupRefused

log = structlog.get_logger()

Isolation = Literal["read_committed", "repeatable_read", "serializable"]

_WAIT = Histogram(
    "postgres_pool_wait_seconds",
    "Time spent waiting for a connection of the pool.",
    buckets=(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0),
)
_REFUSED = Counter(
    "postgres_pool_refused_total", "Acquisitions given up, because none was free or Postgres was away."
)
_CONNECTIONS = Gauge("postgres_pool_connections", "Connections of the pool.", ["state"])
_CONNECTIONS_MAX = Gauge("postgres_pool_connections_max", "Connections that the pool may have.")
_WAITING = Gauge("postgres_pool_waiting", "Who waits for a connection of the pool at the moment.")


class _PooledConnection(asyncpg.Connection):  # type: ignore[misc] # asyncpg has no types
    """A connection that is handed back without a reset query.

    Safe because services keep no session state on pooled connections: settings and
    advisory locks are transaction-scoped, and nothing listens or makes temporary tables.
    An open transaction is still rolled back by the pool. It saves a round trip a query.
    """

    def get_reset_query(self) -> str:
        """Returns nothing to run."""
        return ""


class Pool:
    """A pool of connections to Postgres."""

    def __init__(self, pool: Any, *, acquire_timeout_seconds: float) -> None:
        self._pool = pool
        self._acquire_timeout_seconds = acquire_timeout_seconds
        _CONNECTIONS.labels("open").set_function(pool.get_size)
        _CONNECTIONS.labels("idle").set_function(pool.get_idle_size)
        _CONNECTIONS_MAX.set_function(pool.get_max_size)
        self._waiting = 0
        _WAITING.set_function(lambda: self._waiting)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Lends a connection for single statements; hold it across nothing but SQL.

        Raises:
            Unavailable: None became free in time, or Postgres is away.
        """
        driver = await self._acquire()
        try:
            yield Connection(driver)
        finally:
            await self._release(driver)

    @asynccontextmanager
    async def transaction(
        self, *, isolation: Isolation = "read_committed", readonly: bool = False
    ) -> AsyncIterator[Transaction]:
        """Opens a transaction: commits at the end of the block, rolls back when it raises.

        Raises:
            Unavailable: No connection, or Postgres went away; after COMMIT was sent, the
                change may have happened.
        """
        driver = await self._acquire()
        try:
            block = driver.transaction(isolation=isolation, readonly=readonly)
            with translated(), statement("BEGIN"):
                await block.start()
            transaction = Transaction(driver)
            try:
                yield transaction
            except BaseException:
                # A lost connection has rolled back already; the first error is the one to tell.
                await _roll_back(block)
                raise
            with translated(), statement("COMMIT"):
                await block.commit()
        finally:
            await self._release(driver)
        transaction.committed()

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Returns all rows of one statement, on a connection of its own."""
        async with self.acquire() as connection:
            return await connection.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None:
        """Returns the first row of one statement, on a connection of its own."""
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """Returns the first value of one statement, on a connection of its own."""
        async with self.acquire() as connection:
            return await connection.fetchval(query, *arguments)

    async def execute(self, query: str, *arguments: object) -> str:
        """Runs one statement on a connection of its own and returns its command tag."""
        async with self.acquire() as connection:
            return await connection.execute(query, *arguments)

    async def close(self, *, timeout_seconds: float = 3.0) -> None:
        """Closes the pool; connections still busy after the time are cut."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def _acquire(self) -> Any:
        started = monotonic()
        self._waiting += 1
        try:
            driver = await self._pool.acquire(timeout=self._acquire_timeout_seconds)
        except LOST as error:
            _REFUSED.inc()
            raise meaning(error) from error
        finally:
            self._waiting -= 1
        _WAIT.observe(monotonic() - started)
        return driver

    async def _release(self, driver: Any) -> None:
        try:
            await self._pool.release(driver)
        except LOST:
            # The pool has dropped it; the statement before has told what happened.
            log.debug("lost connection released")


async def _roll_back(block: Any) -> None:
    try:
        with statement("ROLLBACK"):
            await block.rollback()
    except (*LOST, asyncpg.PostgresError):
        log.debug("rollback failed", exc_info=True)


@asynccontextmanager
async def open_pool(
    url: str,
    *,
    application_name: str,
    min_size: int = 1,
    max_size: int = 10,
    acquire_timeout_seconds: float = 4.0,
    connect_timeout_seconds: float = 2.0,
    statement_timeout_seconds: float = 5.0,
    lock_timeout_seconds: float = 3.0,
    idle_in_transaction_timeout_seconds: float = 10.0,
    connect_within_seconds: float = 15.0,
) -> AsyncIterator[Pool]:
    """Opens a pool and closes it at the end of the block.

    Postgres may come up to `connect_within_seconds` after us; later outages heal by
    themselves, with `Unavailable` meanwhile. A call waits for a connection for most of its usual
    deadline of 5 seconds: while cores are short during a rollout it is late instead of failed.

    Raises:
        StartupError: Postgres stays away, or refuses the role, password or database.
    """
    options = {
        "min_size": min_size,
        "max_size": max_size,
        "connection_class": _PooledConnection,
        "init": _prepare,
        "timeout": connect_timeout_seconds,
        # Longer than Postgres' own limit: it only ends waits for a server that went silent.
        "command_timeout": statement_timeout_seconds + 2.0,
        "server_settings": {
            "application_name": application_name,
            "statement_timeout": _milliseconds(statement_timeout_seconds),
            "lock_timeout": _milliseconds(lock_timeout_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(idle_in_transaction_timeout_seconds),
            "timezone": "UTC",
        },
    }
    driver = await connect_patiently(url, lambda: asyncpg.create_pool(url, **options), connect_within_seconds)
    pool = Pool(driver, acquire_timeout_seconds=acquire_timeout_seconds)
    try:
        yield pool
    finally:
        await pool.close()


async def connect_patiently(url: str, connect: Any, within_seconds: float) -> Any:
    """Awaits `connect()` until it succeeds.

    Raises:
        StartupError: It does not within the time, or never can.
    """
    deadline = monotonic() + within_seconds
    delay = 0.1
    while True:
        try:
            return await connect()
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
            raise StartupRefused(
                f"Postgres at {where(url)} refused us: {error}; correct the URL or provision it"
            ) from error
        except (ValueError, asyncpg.ClientConfigurationError) as error:
            raise StartupRefused(
                "the Postgres URL is malformed; write postgresql://user:password@host:5432/database"
            ) from error
        except LOST as error:
            if monotonic() + delay > deadline:
                raise StartupError(
                    f"Postgres at {where(url)} is silent for {within_seconds:.0f} s; start it or fix its URL"
                ) from error
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            delay = min(delay * 2, 1.0)


def where(url: str) -> str:
    """Returns host, port and database of a URL, without user and password."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


async def _prepare(driver: Any) -> None:
    await driver.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))

"""The connection pool: refuses to start without Postgres, reconnects later, fails fast when exhausted."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic
from typing import Any, Literal, TypeVar, overload

import asyncpg
import structlog
from prometheus_client import Counter, Gauge, Histogram

from chassis.postgres.connection import Connection, Transaction
from chassis.postgres.driver_pool import DriverPool
from chassis.postgres.failures import LOST, REFUSED, translate, translated
from chassis.postgres.first_connection import connect_with_retries
from chassis.postgres.statement_spans import statement

log = structlog.get_logger()

CLOSE_SECONDS = 3.0
"""How long connections in use may take when the pool closes, before they are terminated."""

Made = TypeVar("Made")

Isolation = Literal["read_committed", "repeatable_read", "serializable"]

_WAIT = Histogram(
    "postgres_pool_wait_seconds",
    "Time spent waiting for a connection of the pool.",
    buckets=(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0),
)
_REFUSED = Counter(
    "postgres_pool_refused_total", "Failed acquisitions: no connection was free, or Postgres was unreachable."
)
_CONNECTIONS = Gauge("postgres_pool_connections", "Connections of the pool.", ["state"])
_CONNECTIONS_MAX = Gauge("postgres_pool_connections_max", "Maximum size of the pool.")
_WAITING = Gauge("postgres_pool_waiting", "Tasks that wait for a connection of the pool.")


class Pool:
    """A pool of connections to Postgres."""

    def __init__(self, drivers: DriverPool, *, acquire_timeout_seconds: float) -> None:
        self._drivers = drivers
        self._acquire_timeout_seconds = acquire_timeout_seconds
        _CONNECTIONS.labels("open").set_function(lambda: drivers.size)
        _CONNECTIONS.labels("idle").set_function(lambda: drivers.idle_size)
        _CONNECTIONS_MAX.set(drivers.size_max)
        self._waiting = 0
        _WAITING.set_function(lambda: self._waiting)

    @overload
    def acquire(self) -> "Loan[Connection]": ...
    @overload
    def acquire(self, make: Callable[[Connection], Made]) -> "Loan[Made]": ...
    def acquire(self, make: Callable[[Connection], Any] = lambda connection: connection) -> "Loan[Any]":
        """Lends a connection for single statements, or what is made of it; hold it only for SQL.

        Raises:
            Unavailable: no connection became free in time, or Postgres is unreachable.
        """
        return Loan(self, make)

    @asynccontextmanager
    async def transaction(
        self, *, isolation: Isolation = "read_committed", readonly: bool = False
    ) -> AsyncIterator[Transaction]:
        """Opens a transaction: commits at the end of the block, rolls back if it raises.

        Raises:
            Unavailable: no connection, or it was lost; if it was lost during COMMIT, the change may have
                been made.
        """
        driver = await self.take()
        try:
            block = driver.transaction(isolation=isolation, readonly=readonly)
            with translated(), statement("BEGIN"):
                await block.start()
            transaction = Transaction(driver)
            try:
                yield transaction
            except BaseException:
                # A lost connection has rolled back already; the first error is raised.
                await _roll_back(block)
                raise
            with translated(), statement("COMMIT"):
                await block.commit()
        finally:
            self.give_back(driver)
        transaction.committed()

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Returns all rows of one statement, on its own connection."""
        async with self.acquire() as connection:
            return await connection.fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None:
        """Returns the first row of one statement, on its own connection."""
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """Returns the first value of one statement, on its own connection."""
        async with self.acquire() as connection:
            return await connection.fetchval(query, *arguments)

    async def execute(self, query: str, *arguments: object) -> str:
        """Runs one statement on its own connection and returns its command tag."""
        async with self.acquire() as connection:
            return await connection.execute(query, *arguments)

    async def take(self) -> Any:
        """Lends a connection of the driver, to be given back."""
        started = monotonic()
        self._waiting += 1
        try:
            driver = await self._drivers.acquire(self._acquire_timeout_seconds)
        except (*LOST, *REFUSED) as error:
            _REFUSED.inc()
            raise translate(error) from error
        finally:
            self._waiting -= 1
        _WAIT.observe(monotonic() - started)
        return driver

    def give_back(self, driver: Any) -> None:
        """Takes a connection back."""
        self._drivers.release(driver)


class Loan(AbstractAsyncContextManager[Made]):
    """Lends a connection for a block. A generator would cost as much as the loan."""

    __slots__ = ("_driver", "_make", "_pool")

    def __init__(self, pool: Pool, make: Callable[[Connection], Made]) -> None:
        self._pool = pool
        self._make = make

    async def __aenter__(self) -> Made:
        self._driver = await self._pool.take()
        return self._make(Connection(self._driver))

    async def __aexit__(self, *error: object) -> None:
        self._pool.give_back(self._driver)


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

    Waits up to `connect_within_seconds` for Postgres to start. In later outages it raises `Unavailable` and
    reconnects. A call waits for a connection for most of its usual deadline of 5 seconds, so that under a
    shortage of processor time, as during a rollout, it is late rather than failed.

    Raises:
        StartupError: Postgres is unreachable, or refuses the role, password or database.
    """
    options: dict[str, Any] = {
        "timeout": connect_timeout_seconds,
        # Longer than Postgres' own timeout: it only ends waits for an unresponsive server.
        "command_timeout": statement_timeout_seconds + 2.0,
        "server_settings": {
            "application_name": application_name,
            "statement_timeout": _milliseconds(statement_timeout_seconds),
            "lock_timeout": _milliseconds(lock_timeout_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(idle_in_transaction_timeout_seconds),
            "timezone": "UTC",
        },
    }
    drivers = DriverPool(lambda: _connect(url, options), size_min=min_size, size_max=max_size)
    closing_unneeded = asyncio.create_task(drivers.close_unneeded(), name="idle-connections")
    try:
        for _ in range(min_size):
            await connect_with_retries(url, drivers.open_idle, connect_within_seconds)
        yield Pool(drivers, acquire_timeout_seconds=acquire_timeout_seconds)
    finally:
        closing_unneeded.cancel()
        await drivers.close(CLOSE_SECONDS)


async def _connect(url: str, options: dict[str, Any]) -> Any:
    driver = await asyncpg.connect(url, **options)
    try:
        await driver.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    except BaseException:
        driver.terminate()
        raise
    return driver


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))

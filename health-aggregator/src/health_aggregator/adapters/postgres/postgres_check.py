"""Checks Postgres by a query with the aggregator's own role."""

import time
from collections.abc import Callable

import asyncpg

from health_aggregator.adapters import findings
from health_aggregator.domain.check import CheckResult


class PostgresCheck:
    """Runs a query on a connection that is kept, and replaced when it breaks.

    Args:
        url: DSN, with the role.
        wake: Called when the server ends the connection.
    """

    def __init__(self, url: str, wake: Callable[[], None]) -> None:
        self._url = url
        self._wake = wake
        self._connection: asyncpg.Connection | None = None

    async def __call__(self, timeout_seconds: float) -> CheckResult:  # noqa: ARG002 the caller enforces it
        """Checks once."""
        started = time.monotonic()
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            recovering = await self._connection.fetchval("SELECT pg_is_in_recovery()")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self._drop()
            return _failed(error, started)
        except BaseException:
            # Cancelled in the middle of a response: this connection cannot be used any more.
            self._drop()
            raise
        if recovering:
            return findings.degraded(started, "takes no writes: it is a standby")
        return findings.up(started)

    async def close(self) -> None:
        """Closes the connection."""
        self._drop()

    async def _connect(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(
            self._url,
            statement_cache_size=0,
            server_settings={"application_name": "health-aggregator", "default_transaction_read_only": "on"},
        )
        connection.add_termination_listener(lambda _: self._wake())
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _failed(error: Exception, started: float) -> CheckResult:  # noqa: PLR0911 a table
    # Without the error's text: asyncpg may quote the DSN.
    inner = type(error).__name__
    match error:
        case asyncpg.CannotConnectNowError():
            return findings.down(started, "is starting up or shutting down", inner)
        case asyncpg.InvalidAuthorizationSpecificationError():
            return findings.down(started, "refuses the role or its password", inner)
        case asyncpg.TooManyConnectionsError():
            return findings.down(started, "has no connection left", inner)
        case asyncpg.InvalidCatalogNameError():
            return findings.down(started, "does not have the database", inner)
        case OSError():
            return findings.unconnected(started, error, "postgres")
        case asyncpg.PostgresConnectionError() | asyncpg.InterfaceError():
            return findings.down(started, findings.CLOSED, inner)
        case _:
            return findings.down(started, "refuses the query", inner)

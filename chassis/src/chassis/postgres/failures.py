"""What a failure of Postgres means to callers: come back later, or a bug."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from chassis.errors import Unavailable

LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.ConnectionFailureError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
)
"""The connection is gone or can't be had."""

BUSY = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
"""Postgres is there, but took too long or chose another transaction."""

RETRY_AFTER_SECONDS = 1.0


@contextmanager
def translated() -> Iterator[None]:
    """Turns loss, timeouts and deadlocks of Postgres into `Unavailable`; the rest passes as it is.

    Raises:
        Unavailable: Postgres can't do it now.
    """
    try:
        yield
    except (*LOST, *BUSY) as error:
        raise Unavailable(retry_after_seconds=RETRY_AFTER_SECONDS) from error

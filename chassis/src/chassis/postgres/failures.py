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
    # What a connection raises between the server's farewell and the end of the socket.
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    # The server has become a replica: a new connection finds the one that writes.
    asyncpg.ReadOnlySQLTransactionError,
)
"""The connection is gone or can't be had, or leads to a server that can't write."""

BUSY = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    # Its disk or memory is full, or its disk fails: an operator's to mend, and ours to wait for.
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresIOError,
)
"""Postgres is there, but took too long, chose another transaction or has no room."""

RETRY_AFTER_SECONDS = 1.0


_CLOSED = ("closed", "closing", "released back to the pool")


def meaning(error: Exception) -> Exception:
    """Returns the error to raise for one of `LOST` or `BUSY`.

    asyncpg tells a closed connection and a misuse of its interface by the same type; a
    misuse is a bug and stays what it is.
    """
    misused: bool = isinstance(error, asyncpg.InterfaceError) and not any(
        word in str(error) for word in _CLOSED
    )
    if misused:
        return error
    return Unavailable(retry_after_seconds=RETRY_AFTER_SECONDS)


@contextmanager
def translated() -> Iterator[None]:
    """Turns loss, timeouts, deadlocks and want of room into `Unavailable`; the rest passes as it is.

    Raises:
        Unavailable: Postgres can't do it now.
    """
    try:
        yield
    except (*LOST, *BUSY) as error:
        raise meaning(error) from error

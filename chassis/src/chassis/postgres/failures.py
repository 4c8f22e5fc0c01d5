"""Failures of Postgres: which are temporary, and so `Unavailable`."""

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
    # Raised between the server's termination message and the end of the socket.
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    # The server has become a replica: a new connection finds the primary.
    asyncpg.ReadOnlySQLTransactionError,
)
"""The connection is lost or cannot be opened, or leads to a server that cannot write."""

BUSY = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    # Disk or memory is full, or the disk fails: wait until an operator has fixed it.
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresIOError,
)
"""Postgres timed out, aborted the transaction for another one, or has no resources."""

REFUSED = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""Postgres refuses the role, its password or the database. A program does not start with such a URL; later on
a password may be being changed, or a database restored, and it waits as for a lost connection."""

OF_THE_DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Failures that no other server than Postgres has."""

RETRY_AFTER_SECONDS = 1.0


_CLOSED = ("closed", "closing", "released back to the pool")


def translate(error: Exception) -> Exception:
    """Returns the error to raise for one of `LOST` or `BUSY`.

    asyncpg raises the same type for a closed connection and for misuse; misuse is a bug and stays
    unchanged.
    """
    misused: bool = isinstance(error, asyncpg.InterfaceError) and not any(
        word in str(error) for word in _CLOSED
    )
    if misused:
        return error
    unavailable = Unavailable(retry_after_seconds=RETRY_AFTER_SECONDS)
    unavailable.add_note("Postgres")  # For commands and the log, which say what is unavailable.
    return unavailable


def forget_values(error: BaseException) -> None:
    """Takes the values of a row, such as an address, out of an error: logs and tracebacks show its text."""
    if isinstance(error, asyncpg.PostgresError):
        error.detail = None


@contextmanager
def translated() -> Iterator[None]:
    """Turns temporary failures into `Unavailable`; other errors stay, but for the values of the row.

    Raises:
        Unavailable: the failure is temporary.
    """
    try:
        yield
    except (*LOST, *BUSY) as error:
        raise translate(error) from error
    except asyncpg.PostgresError as error:
        forget_values(error)
        raise

"""A connection and a transaction for adapters: asyncpg's methods, with failures translated."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import asyncpg
import structlog

from chassis.postgres.failures import BUSY, LOST, forget_values, translate
from chassis.postgres.statement_spans import statement

log = structlog.get_logger()

_FAILURES = (*LOST, *BUSY, asyncpg.PostgresError)


class Connection:
    """Runs statements. Constraint violations are raised as asyncpg's errors, without the values of the row.

    Every method raises `chassis.errors.Unavailable` if Postgres is unreachable, restarts, or cancels the
    statement because of a timeout, a lock or a deadlock.
    """

    __slots__ = ("driver",)

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Returns all rows."""
        try:
            with statement(query):
                return list(await self.driver.fetch(query, *arguments))
        except _FAILURES as error:
            self._raise(error)

    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None:
        """Returns the first row, or None when there is none."""
        try:
            with statement(query):
                return await self.driver.fetchrow(query, *arguments)
        except _FAILURES as error:
            self._raise(error)

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """Returns the first value of the first row, or None."""
        try:
            with statement(query):
                return await self.driver.fetchval(query, *arguments)
        except _FAILURES as error:
            self._raise(error)

    async def execute(self, query: str, *arguments: object) -> str:
        """Runs a statement and returns its command tag, such as `UPDATE 1`."""
        try:
            with statement(query):
                return str(await self.driver.execute(query, *arguments))
        except _FAILURES as error:
            self._raise(error)

    async def executemany(self, query: str, rows: Iterable[Sequence[object]]) -> None:
        """Runs a statement once per row, in one batch."""
        try:
            with statement(query):
                await self.driver.executemany(query, rows)
        except _FAILURES as error:
            self._raise(error)

    def _raise(self, error: Exception) -> NoReturn:
        forget_values(error)
        if not isinstance(error, (*LOST, *BUSY)):
            raise error
        if isinstance(error, LOST) and not isinstance(error, asyncpg.InterfaceError):
            # The driver may not have noticed the loss; the pool must not lend it again.
            with contextlib.suppress(*LOST):
                self.driver.terminate()
        translated = translate(error)
        if translated is error:
            raise error
        raise translated from error


class Transaction(Connection):
    """An open transaction. It commits when its block ends and rolls back when the block raises."""

    __slots__ = ("_after_commit",)

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._after_commit: list[Callable[[], None]] = []

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Calls back after COMMIT, in the order of registration; not after a rollback."""
        self._after_commit.append(callback)

    def committed(self) -> None:
        """Runs the callbacks; called by `Pool.transaction` after COMMIT."""
        for callback in self._after_commit:
            try:
                callback()
            except Exception:
                log.exception("callback after commit failed")


def rows_affected(tag: str) -> int:
    """Returns the count in a command tag: 1 for `UPDATE 1`."""
    return int(tag.rpartition(" ")[2])

"""A connection and a transaction as adapters see them: asyncpg's calls, failures translated."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import asyncpg
import structlog

from chassis.postgres.failures import BUSY, LOST, meaning
from chassis.postgres.statement_spans import statement

log = structlog.get_logger()


class Connection:
    """Runs statements. Constraint violations reach the adapter as asyncpg raises them.

    Every method raises `chassis.errors.Unavailable` when Postgres is away, restarts, or
    cancels the statement for taking too long, for waiting on a lock or for a deadlock.
    """

    __slots__ = ("driver",)

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Returns all rows."""
        try:
            with statement(query):
                return list(await self.driver.fetch(query, *arguments))
        except (*LOST, *BUSY) as error:
            raise self._failed(error) from error

    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None:
        """Returns the first row, or None when there is none."""
        try:
            with statement(query):
                return await self.driver.fetchrow(query, *arguments)
        except (*LOST, *BUSY) as error:
            raise self._failed(error) from error

    async def fetchval(self, query: str, *arguments: object) -> Any:
        """Returns the first value of the first row, or None."""
        try:
            with statement(query):
                return await self.driver.fetchval(query, *arguments)
        except (*LOST, *BUSY) as error:
            raise self._failed(error) from error

    async def execute(self, query: str, *arguments: object) -> str:
        """Runs a statement and returns its command tag, such as `UPDATE 1`."""
        try:
            with statement(query):
                return str(await self.driver.execute(query, *arguments))
        except (*LOST, *BUSY) as error:
            raise self._failed(error) from error

    async def executemany(self, query: str, rows: Iterable[Sequence[object]]) -> None:
        """Runs a statement once a row, in one batch."""
        try:
            with statement(query):
                await self.driver.executemany(query, rows)
        except (*LOST, *BUSY) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> Exception:
        if isinstance(error, LOST) and not isinstance(error, asyncpg.InterfaceError):
            # It may not know yet that it is lost; the pool must not lend it again.
            with contextlib.suppress(*LOST):
                self.driver.terminate()
        return meaning(error)


class Transaction(Connection):
    """An open transaction. It commits when its block ends and rolls back when the block raises."""

    __slots__ = ("_after_commit",)

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._after_commit: list[Callable[[], None]] = []

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Calls back once the transaction has committed, in the order of asking; never on rollback."""
        self._after_commit.append(callback)

    def committed(self) -> None:
        """Runs the callbacks; called by `Database.transaction` after COMMIT."""
        for callback in self._after_commit:
            try:
                callback()
            except Exception:
                log.exception("after commit failed")


def rows_affected(tag: str) -> int:
    """Returns the count in a command tag: 1 for `UPDATE 1`."""
    return int(tag.rpartition(" ")[2])

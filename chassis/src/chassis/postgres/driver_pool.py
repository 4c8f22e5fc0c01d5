"""Lends asyncpg's connections, without asyncpg's pool.

That pool starts a task for each acquisition with a timeout, another one for each release, and a timer for
each connection that comes back: together twice what a statement costs this process.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg

from chassis.postgres.failures import LOST

IDLE_SECONDS = 300.0
"""Connections that have not been needed for this long are closed."""


class DriverPool:
    """Opens connections when they are needed, up to a maximum, and lends the one that was used last.

    Nothing is reset between two loans, which saves a round trip: connections have no session state, since
    settings and advisory locks are transaction-scoped, and nothing listens or creates temporary tables. A
    connection that comes back within a transaction is closed. One whose statement was cancelled finishes the
    cancellation before its next statement.

    Args:
        connect: Opens a connection.
        size_min: How many stay open although they are not needed.
        size_max: How many may be open.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]], *, size_min: int, size_max: int) -> None:
        self._connect = connect
        self._size_min = size_min
        self._size_max = size_max
        self._open: set[Any] = set()
        self._opening = 0
        self._idle: list[Any] = []
        self._fewest_idle = 0
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._is_closing = False
        self._returned = asyncio.Event()

    @property
    def size_max(self) -> int:
        """How many connections may be open."""
        return self._size_max

    @property
    def size(self) -> int:
        """How many connections are open."""
        return sum(not driver.is_closed() for driver in self._open)

    @property
    def idle_size(self) -> int:
        """How many of them are not lent."""
        return sum(not driver.is_closed() for driver in self._idle)

    def take(self) -> Any | None:
        """Lends an idle connection; returns None if there is none."""
        while self._idle:
            driver = self._idle.pop()
            self._fewest_idle = min(self._fewest_idle, len(self._idle))
            if not driver.is_closed():
                return driver
            self._forget(driver)
        return None

    async def acquire(self, within_seconds: float) -> Any:
        """Lends a connection: an idle one, a new one, or the first that comes back.

        Raises:
            TimeoutError: there was none in time.
            InterfaceError: the pool is being closed.
            OSError, PostgresError: a new connection cannot be opened.
        """
        if self._is_closing:
            raise asyncpg.InterfaceError("the pool is closing")
        driver = self.take()
        if driver is not None:
            return driver
        async with asyncio.timeout(within_seconds):
            if len(self._open) + self._opening >= self._size_max:
                return await self._wait()
            self._opening += 1
            return await self._open_reserved()

    async def open_idle(self) -> None:
        """Opens a connection that nothing needs yet."""
        self._opening += 1
        self.release(await self._open_reserved())

    def release(self, driver: Any) -> None:
        """Takes a connection back."""
        if driver.is_closed():
            self._forget(driver)
        elif driver.is_in_transaction():
            driver.terminate()
            self._forget(driver)
        elif not self._hand_over(driver):
            self._idle.append(driver)
        self._returned.set()

    async def close_unneeded(self) -> None:
        """Closes connections that have not been needed for a while, until cancelled."""
        while True:
            self._fewest_idle = len(self._idle)
            await asyncio.sleep(IDLE_SECONDS)
            surplus = max(0, min(self._fewest_idle, len(self._open) - self._size_min))
            # The last ones of the list are lent first.
            unneeded, self._idle = self._idle[:surplus], self._idle[surplus:]
            for driver in unneeded:
                await self._close(driver)

    async def close(self, within_seconds: float) -> None:
        """Closes every connection once it is idle; those that are lent after that time are terminated."""
        self._is_closing = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(asyncpg.InterfaceError("the pool is closing"))
        self._waiting.clear()
        try:
            async with asyncio.timeout(within_seconds):
                while self._open or self._opening:
                    self._returned.clear()
                    while self._idle:
                        await self._close(self._idle.pop())
                    if self._open or self._opening:
                        await self._returned.wait()
        except TimeoutError:
            for driver in self._open:
                driver.terminate()

    async def _open_reserved(self) -> Any:
        """Opens a connection, for which `_opening` has been counted up."""
        try:
            driver = await self._connect()
        except BaseException:
            self._opening -= 1
            self._returned.set()
            self._offer_place()
            raise
        self._opening -= 1
        self._open.add(driver)
        return driver

    async def _wait(self) -> Any:
        """Returns the first connection that comes back, or a new one in the place of one that was lost."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            driver = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # It was handed over at the moment of the cancellation.
                self._pass_on(waiter.result())
            raise
        return await self._open_reserved() if driver is None else driver

    def _pass_on(self, driver: Any | None) -> None:
        if driver is not None:
            self.release(driver)
        else:
            self._opening -= 1
            self._offer_place()

    def _hand_over(self, driver: Any | None) -> bool:
        """Gives the first waiter a connection, or a place for one (None); returns whether there was one."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(driver)
                return True
        return False

    def _offer_place(self) -> None:
        if self._hand_over(None):
            self._opening += 1

    def _forget(self, driver: Any) -> None:
        # A lost connection may not have cleaned up after itself.
        driver.terminate()
        self._open.discard(driver)
        self._offer_place()

    async def _close(self, driver: Any) -> None:
        try:
            with suppress(*LOST, asyncpg.PostgresError):
                await driver.close()
        finally:
            self._forget(driver)

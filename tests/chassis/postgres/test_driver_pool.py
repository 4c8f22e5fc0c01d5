"""Lending connections of a real Postgres: who gets which, what becomes of lost ones, how the pool ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from chassis.postgres import driver_pool
from chassis.postgres.driver_pool import DriverPool

from tests.waiting import SLOW_MACHINE_SECONDS, WITHIN_SECONDS

SIZE_MAX = 2


@pytest_asyncio.fixture(name="drivers")
async def open_drivers(empty_database: str) -> AsyncIterator[DriverPool]:
    """A pool of two connections at most."""
    drivers = DriverPool(lambda: asyncpg.connect(empty_database), size_min=1, size_max=SIZE_MAX)
    yield drivers
    await drivers.close(1.0)


async def _settled() -> None:
    """Lets every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_connection_that_was_used_last_is_lent_first(drivers: DriverPool) -> None:
    first, second = await drivers.acquire(1), await drivers.acquire(1)
    drivers.release(first)
    drivers.release(second)
    assert await drivers.acquire(1) is second
    assert await drivers.acquire(1) is first
    drivers.release(first)
    drivers.release(second)


async def test_waiters_get_connections_in_their_order(drivers: DriverPool) -> None:
    lent = [await drivers.acquire(1) for _ in range(SIZE_MAX)]
    waiting = [asyncio.create_task(drivers.acquire(5)) for _ in range(3)]
    await _settled()
    for index in range(3):
        drivers.release(lent[-1] if index == 0 else await waiting[index - 1])
        await _settled()
        assert [task.done() for task in waiting] == [number <= index for number in range(3)]
    assert drivers.size == SIZE_MAX
    for driver in (lent[0], await waiting[-1]):
        drivers.release(driver)


async def test_there_are_never_more_than_allowed(drivers: DriverPool) -> None:
    most = 0

    async def borrow(number: int) -> None:
        nonlocal most
        driver = await drivers.acquire(10)
        most = max(most, drivers.size)
        await driver.fetchval("SELECT 1")
        if number % 3 == 0:
            driver.terminate()
        drivers.release(driver)

    await asyncio.gather(*(borrow(number) for number in range(30)))
    assert 0 < most <= SIZE_MAX


async def test_a_waiter_opens_a_connection_in_the_place_of_a_lost_one(drivers: DriverPool) -> None:
    lent = [await drivers.acquire(1) for _ in range(SIZE_MAX)]
    waiting = asyncio.create_task(drivers.acquire(5))
    await _settled()
    lent[0].terminate()
    drivers.release(lent[0])
    driver = await waiting
    assert driver not in lent
    assert await driver.fetchval("SELECT 1") == 1
    drivers.release(driver)
    drivers.release(lent[1])


@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_waiter_that_gives_up_as_it_is_served_passes_it_on(
    drivers: DriverPool, is_lost: bool
) -> None:
    lent = [await drivers.acquire(1) for _ in range(SIZE_MAX)]
    first, second = (asyncio.create_task(drivers.acquire(5)) for _ in range(2))
    await _settled()
    if is_lost:
        lent[0].terminate()
    drivers.release(lent[0])
    first.cancel()
    driver = await asyncio.wait_for(second, WITHIN_SECONDS)
    assert await driver.fetchval("SELECT 1") == 1
    assert first.cancelled()
    drivers.release(driver)
    drivers.release(lent[1])
    assert drivers.size == SIZE_MAX


async def test_a_waiter_that_gave_up_is_passed_over(drivers: DriverPool) -> None:
    lent = [await drivers.acquire(1) for _ in range(SIZE_MAX)]
    with pytest.raises(TimeoutError):
        await drivers.acquire(0.05)
    drivers.release(lent[0])
    assert await drivers.acquire(1) is lent[0]
    drivers.release(lent[0])
    drivers.release(lent[1])


async def test_a_connection_that_cannot_be_opened_leaves_its_place_to_the_next(empty_database: str) -> None:
    failures = iter([OSError("refused"), None])

    async def connect() -> Any:
        failure = next(failures)
        if failure is not None:
            raise failure
        return await asyncpg.connect(empty_database)

    drivers = DriverPool(connect, size_min=1, size_max=1)
    first, second = (asyncio.create_task(drivers.acquire(5)) for _ in range(2))
    with pytest.raises(OSError, match="refused"):
        await first
    drivers.release(await second)
    await drivers.close(1.0)


async def test_a_connection_lost_while_idle_is_not_lent(drivers: DriverPool) -> None:
    driver = await drivers.acquire(1)
    drivers.release(driver)
    driver.terminate()
    another = await drivers.acquire(1)
    assert another is not driver
    assert (drivers.size, drivers.idle_size) == (1, 0)
    drivers.release(another)


async def test_a_connection_left_in_a_transaction_is_closed(drivers: DriverPool) -> None:
    driver = await drivers.acquire(1)
    await driver.execute("BEGIN")
    drivers.release(driver)
    assert driver.is_closed()
    assert drivers.size == 0


async def test_a_cancelled_statement_ends_before_the_next_one(drivers: DriverPool) -> None:
    driver = await drivers.acquire(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await driver.execute("SELECT pg_sleep(5)")
    drivers.release(driver)
    assert await drivers.acquire(1) is driver
    assert await asyncio.wait_for(driver.fetchval("SELECT 1"), WITHIN_SECONDS) == 1
    drivers.release(driver)


async def test_connections_that_were_not_needed_are_closed(
    drivers: DriverPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_pool, "IDLE_SECONDS", 0.1)
    for driver in [await drivers.acquire(1) for _ in range(SIZE_MAX)]:
        drivers.release(driver)
    closing = asyncio.create_task(drivers.close_unneeded())
    async with asyncio.timeout(SLOW_MACHINE_SECONDS):
        while drivers.size > 1:
            used = await drivers.acquire(1)
            await asyncio.sleep(0.02)
            drivers.release(used)
    await asyncio.sleep(0.3)
    assert (drivers.size, drivers.idle_size) == (1, 1)
    assert not used.is_closed()
    closing.cancel()


async def test_closing_waits_for_what_is_lent(drivers: DriverPool) -> None:
    driver = await drivers.acquire(1)
    closing = asyncio.create_task(drivers.close(5.0))
    await _settled()
    assert await driver.fetchval("SELECT 1") == 1
    drivers.release(driver)
    await closing
    assert driver.is_closed()
    with pytest.raises(asyncpg.InterfaceError, match="closing"):
        await drivers.acquire(1)


async def test_closing_refuses_waiters_and_terminates_what_does_not_come_back(drivers: DriverPool) -> None:
    lent = [await drivers.acquire(1) for _ in range(SIZE_MAX)]
    waiting = asyncio.create_task(drivers.acquire(5))
    await _settled()
    await drivers.close(0.1)
    with pytest.raises(asyncpg.InterfaceError, match="closing"):
        await waiting
    assert all(driver.is_closed() for driver in lent)

"""Guesses wait in places that attackers of one account cannot take from others."""

import asyncio

import pytest
from auth_service.adapters.after_response_tasks import AfterResponseTasks
from auth_service.adapters.login_delay import TURNS_WAITING_MAX, InProcessLoginDelay
from auth_service.domain.errors import TooManyAttempts
from auth_service.domain.login_throttle import FAILURES_MAX, ThrottleKey

ADA, BOB = b"ada", b"bob"


def _key(account: bytes, client: int) -> ThrottleKey:
    return ThrottleKey(account=account, client=str(client).encode())


async def test_an_account_that_is_attacked_takes_no_place_from_others() -> None:
    """Its own places are used up: more of its attackers are refused, and no other client."""
    login_delay = InProcessLoginDelay(waiting_max=10, waiting_per_account_max=3)
    waiting = [asyncio.create_task(login_delay(60, _key(ADA, client), is_first=False)) for client in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(TooManyAttempts) as caught:
        await login_delay(7.5, _key(ADA, 4), is_first=False)
    await login_delay(0.01, _key(ADA, 5), is_first=True)
    await login_delay(0.01, _key(BOB, 4), is_first=False)
    await login_delay(0, _key(ADA, 4), is_first=False)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await login_delay(0.01, _key(ADA, 4), is_first=False)

    assert caught.value.retry_after_seconds == 8


async def test_waiting_is_bounded_everywhere_together() -> None:
    """But not for the first try of a client."""
    login_delay = InProcessLoginDelay(waiting_max=1)
    waiting = asyncio.create_task(login_delay(60, _key(ADA, 1), is_first=False))
    await asyncio.sleep(0)

    with pytest.raises(TooManyAttempts):
        await login_delay(0.1, _key(BOB, 1), is_first=False)
    await login_delay(0.01, _key(BOB, 2), is_first=True)
    waiting.cancel()


async def test_a_client_has_no_more_guesses_under_way_than_it_has() -> None:
    """The others wait for their turn, a bounded number of them; other clients go on."""
    login_delay, gate, under_way = InProcessLoginDelay(), asyncio.Event(), 0

    async def guess() -> None:
        nonlocal under_way
        async with login_delay.turn(_key(ADA, 1)):
            under_way += 1
            await gate.wait()
            under_way -= 1

    guesses = [asyncio.create_task(guess()) for _ in range(FAILURES_MAX + TURNS_WAITING_MAX)]
    await asyncio.sleep(0.01)
    assert under_way == FAILURES_MAX
    with pytest.raises(TooManyAttempts):
        await guess()
    async with login_delay.turn(_key(ADA, 2)), login_delay.turn(_key(BOB, 1)):
        pass
    gate.set()
    await asyncio.gather(*guesses)

    assert under_way == 0


async def test_work_after_an_answer_is_bounded_and_finished() -> None:
    """The caller never waits for it, and a failure is only logged."""
    done: list[int] = []
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()
        done.append(1)

    async def fail() -> None:
        raise RuntimeError

    async with AfterResponseTasks(tasks_max=3) as after_response:
        await after_response(fail)
        for _ in range(4):
            await after_response(work)
        assert done == []
        gate.set()

    assert done == [1, 1]

"""Calls that wait for a connection learn how their own attempt ended."""

import asyncio

from chassis.grpc.reconnection import Reconnection


async def test_a_later_attempt_does_not_fail_the_calls_that_waited_for_an_earlier_one() -> None:
    """On a busy event loop another call fails on the old channel just when the new one is connected."""
    connected = [asyncio.Event(), asyncio.Event()]
    opened = 0

    def replace_channel() -> None:
        nonlocal opened
        opened += 1

    async def until_connected() -> None:
        await connected[opened - 1].wait()

    reconnection = Reconnection(replace_channel, until_connected)

    async def fails_late() -> bool:
        while reconnection._attempt is None or not reconnection._attempt.done():  # noqa: ASYNC110 no event
            await asyncio.sleep(0)
        return await reconnection.wait(5.0)

    waiting = asyncio.create_task(reconnection.wait(5.0))
    late = asyncio.create_task(fails_late())
    await asyncio.sleep(0.01)
    connected[0].set()

    assert await waiting
    connected[1].set()
    assert await late
    assert opened == 2

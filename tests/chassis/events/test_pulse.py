"""Knowing whether a stream that brings nothing is one on which nothing happened."""

import asyncio

from chassis.events import pulse
from chassis.events.tail import Tail
from devstack.valkey import Valkey
from redis.asyncio import Redis
from vestibule.events.v1.events_pb2 import Event

from tests.chassis.events.conftest import Begin
from tests.chassis.waiting import until


def follow(valkey: Valkey, begin: Begin) -> Tail:
    """Begins to follow the pulse of a service called `source`."""

    async def on_lost() -> None:
        """Has nothing to make up for."""

    def on_event(_: Event) -> bool:
        """Hears of none."""
        return False

    tail = Tail(
        redis_url=valkey.url, client_name="test", on_event=on_event, on_lost=on_lost, pulse_of="source"
    )
    begin(tail.run())
    return tail


async def test_without_a_pulse_nothing_is_known(valkey: Valkey, begin: Begin) -> None:
    """However well the stream can be read; another service's pulse says nothing."""
    tail = follow(valkey, begin)
    await asyncio.wait_for(tail.caught_up.wait(), 5)
    async with Redis.from_url(valkey.url) as redis:
        await pulse.beat(redis, "another", await pulse.moment(redis))
    await until(lambda: tail.silent_seconds < 1)

    assert tail.behind_seconds == float("inf")


async def test_a_beat_is_worth_what_it_says(valkey: Valkey, begin: Begin) -> None:
    """One that tells of a moment long ago, because it was held up, counts from then."""
    tail = follow(valkey, begin)
    await asyncio.wait_for(tail.caught_up.wait(), 5)
    async with Redis.from_url(valkey.url) as redis:

        async def beat(age_seconds: int) -> None:
            await pulse.beat(redis, "source", await pulse.moment(redis) - age_seconds * 1000)

        async def felt(seconds: int) -> bool:
            await beat(seconds)
            return seconds <= tail.behind_seconds < seconds + 1

        await until(lambda: felt(0))
        await until(lambda: felt(100))
        await until(lambda: felt(0))


async def test_it_fades(valkey: Valkey, begin: Begin) -> None:
    """When the beats end, the reader falls behind though it reads on."""
    tail = follow(valkey, begin)
    await asyncio.wait_for(tail.caught_up.wait(), 5)
    async with Redis.from_url(valkey.url) as redis:

        async def felt() -> bool:
            await pulse.beat(redis, "source", await pulse.moment(redis))
            return tail.behind_seconds < 1

        await until(felt)
    await until(lambda: tail.behind_seconds > 1)

    assert tail.silent_seconds < tail.behind_seconds

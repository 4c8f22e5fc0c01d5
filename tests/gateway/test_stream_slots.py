"""Slots of streams: no client has more than its share at all gateways together, and none fewer."""

from collections.abc import AsyncIterator

import pytest
from chassis.redis import open_redis
from devstack.valkey import Valkey
from gateway.limits.stream_slots import StreamSlots

HOLDER = "client 192.0.2.1"


@pytest.fixture(name="gateways")
async def _gateways(valkey: Valkey) -> AsyncIterator[tuple[StreamSlots, StreamSlots]]:
    async with open_redis(valkey.url, client_name="t") as redis:
        yield StreamSlots(redis), StreamSlots(redis)


async def test_slots_are_shared(gateways: tuple[StreamSlots, StreamSlots]) -> None:
    """A slot that one gateway has taken is missing at the other, until it is given back."""
    one, other = gateways
    assert await one.take(HOLDER, 2, "a")
    assert await other.take(HOLDER, 2, "b")
    assert not await one.take(HOLDER, 2, "c")
    await other.give_back(HOLDER, "b")
    assert await one.take(HOLDER, 2, "c")


async def test_a_slot_that_is_not_there_is_given_back(valkey: Valkey) -> None:
    """It was taken while Redis was away; giving it back leaves nothing that would stay for ever."""
    async with open_redis(valkey.url, client_name="t") as redis:
        await StreamSlots(redis).give_back("away", "a")
        (there,) = await redis.ask(("EXISTS", "vestibule:limit:streams:away"))
    assert not there


async def test_a_stream_does_not_take_its_own_slot_away(gateways: tuple[StreamSlots, StreamSlots]) -> None:
    """Its gateway renews all its streams every 20 s, also those whose slot is being taken."""
    one, _ = gateways
    assert await one.take("renewed", 2, "a")
    await one.renew("renewed", ["a", "b"])
    assert await one.take("renewed", 2, "b")
    assert not await one.take("renewed", 2, "c")

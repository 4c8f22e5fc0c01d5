"""Slots of streams that are left while their gateway renews them."""

import asyncio
from typing import cast

import pytest
from chassis.auth_client.authenticator import TokenAuthenticator
from chassis.identity.caller import Caller
from chassis.tasks import end_task
from gateway.limits.stream_slots import StreamSlots
from gateway.streams import registry as registries
from gateway.streams.bounds import Bounds
from gateway.streams.ends import CLIENT_GONE
from gateway.streams.open_stream import Holder
from gateway.streams.registry import StreamRegistry

HOLDER = Holder("Play", "192.0.2.1", Caller())


class Slots:
    """Slots in order of arrival; a renewal takes a while, and then takes what it renews."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.renewing = asyncio.Event()
        self.go_on = asyncio.Event()

    async def take(self, holder: str, slots_max: int, stream_id: str) -> bool:
        """Takes a slot."""
        del holder, slots_max
        self.taken.add(stream_id)
        return True

    async def renew(self, holder: str, stream_ids: list[str]) -> None:
        """Renews slots."""
        del holder
        self.renewing.set()
        await self.go_on.wait()
        self.taken |= set(stream_ids)

    async def give_back(self, holder: str, stream_id: str) -> None:
        """Gives a slot back."""
        del holder
        self.taken.discard(stream_id)


async def test_a_stream_that_is_left_while_its_slot_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its slot is free, whichever of both reaches Redis first; a stream that stays has its own."""
    monkeypatch.setattr(registries, "RENEW_SECONDS", 0.01)
    slots = Slots()
    registry = StreamRegistry(cast("TokenAuthenticator", None), cast("StreamSlots", slots))
    left, stays = [await registry.open(HOLDER, Bounds()) for _ in range(2)]
    renewing = asyncio.ensure_future(registry._renew_slots())
    await slots.renewing.wait()
    left.leave(CLIENT_GONE)
    await asyncio.sleep(0)
    assert slots.taken == {stays.id}
    slots.go_on.set()
    slots.renewing.clear()
    await slots.renewing.wait()
    await end_task(renewing)

    assert slots.taken == {stays.id}

"""Heartbeats are sent while they are requested, at whichever instance."""

import asyncio

import pytest
from chassis.events import heartbeat, heartbeat_requests
from chassis.events.heartbeat_requests import HeartbeatRequests
from chassis.events.outbox import Outbox
from chassis.events.relay import POLL_SECONDS, Relay
from chassis.postgres.pool import Pool
from chassis.tasks import end_task
from devstack.valkey import Valkey
from redis.asyncio import Redis

from tests.chassis.events.conftest import Begin
from tests.chassis.waiting import until
from tests.fakes.service_keys import service_keys

KEYS = service_keys("user-service")


async def test_heartbeats_end_when_none_are_requested(
    pool: Pool,
    outbox: Outbox,
    empty_database: str,
    valkey: Valkey,
    begin: Begin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request at any instance brings them back at once, also when another one leads by then."""
    monkeypatch.setattr(heartbeat, "REQUESTED_SECONDS", 1.5)
    monkeypatch.setattr(heartbeat_requests, "PASSED_ON_SECONDS", 0.1)
    relays = [
        Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=valkey.url, heartbeats=True)
        for _ in range(2)
    ]
    tasks = {relay: begin(relay.run()) for relay in relays}
    requests = HeartbeatRequests(outbox, pool)
    begin(requests.run())
    key = heartbeat.key("user-service")
    async with Redis.from_url(valkey.url) as client:

        async def are_sent() -> bool:
            return bool(await client.exists(key))

        async def none_are_sent() -> bool:
            return not await are_sent()

        async def ends_and_comes_back() -> float:
            await until(none_are_sent)
            await asyncio.sleep(1)
            assert not await are_sent()
            requests.note()
            began = asyncio.get_running_loop().time()
            await until(are_sent)
            return asyncio.get_running_loop().time() - began

        await until(are_sent)
        waited = await ends_and_comes_back()
        (leader,) = (relay for relay in relays if relay.leading)
        await end_task(tasks[leader])
        await until(lambda: any(relay.leading for relay in relays))
        await until(are_sent)
        waited_again = await ends_and_comes_back()

    # Far less than the relay's poll: it is woken.
    assert min(waited, waited_again) < POLL_SECONDS / 2


async def test_requested_heartbeats_go_on(
    outbox: Outbox,
    empty_database: str,
    valkey: Valkey,
    begin: Begin,
    pool: Pool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While requests come they never stop."""
    monkeypatch.setattr(heartbeat, "REQUESTED_SECONDS", 2.0)
    monkeypatch.setattr(heartbeat_requests, "PASSED_ON_SECONDS", 0.2)
    begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=valkey.url, heartbeats=True).run())
    requests = HeartbeatRequests(outbox, pool)
    begin(requests.run())
    async with Redis.from_url(valkey.url) as client:

        async def count() -> int:
            key = heartbeat.key("user-service")
            return int((await client.xinfo_stream(key))["entries-added"]) if await client.exists(key) else 0

        async def has_grown() -> bool:
            requests.note()
            return await count() >= 15

        await until(has_grown)

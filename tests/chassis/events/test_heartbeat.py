"""Knowing whether a stream that brings nothing is one on which nothing happened."""

import asyncio
import statistics
import time
from typing import Any

from chassis.auth_client.revocation_feed import FRESH_SECONDS
from chassis.events import heartbeat, stream
from chassis.events.tail import Tail
from chassis.identity.service_keys import ServiceKeys
from chassis.redis_connection import open_connection
from devstack.valkey import Valkey
from redis.asyncio import Redis
from vestibule.events.v1.events_pb2 import Event

from tests.chassis.events.conftest import Begin
from tests.chassis.waiting import until
from tests.fakes.service_keys import entry_of, service_keys
from tests.waiting import WITHIN_SECONDS

AUTH = service_keys("auth-service")


async def beat(valkey: Valkey, keys: ServiceKeys, age_seconds: int = 0) -> None:
    """Sends a heartbeat that is as old as that."""
    async with open_connection(valkey.url, timeout_seconds=5, client_name="test") as redis:
        now, _ = await stream.look(redis, None)
        await heartbeat.send(redis, keys, now - age_seconds * 1000)


def follow(valkey: Valkey, begin: Begin) -> Tail:
    """Starts to follow the heartbeat of auth-service."""

    async def on_lost() -> None:
        """Has nothing to make up for."""

    def on_event(_: Event) -> bool:
        """Hears of none."""
        return False

    tail = Tail(
        redis_url=valkey.url,
        client_name="test",
        keys=service_keys("gateway"),
        on_event=on_event,
        on_lost=on_lost,
        heartbeat_of="auth-service",
    )
    begin(tail.run())
    return tail


async def test_without_a_heartbeat_nothing_is_known(valkey: Valkey, begin: Begin) -> None:
    """Even if the stream is readable; another service's heartbeat does not count."""
    tail = follow(valkey, begin)
    await asyncio.wait_for(tail.caught_up.wait(), WITHIN_SECONDS)
    await beat(valkey, service_keys("user-service"))
    await until(lambda: tail.silent_seconds < 1)

    assert tail.behind_seconds == float("inf")


async def test_a_beat_is_worth_what_it_says(valkey: Valkey, begin: Begin) -> None:
    """A delayed heartbeat counts from its own watermark."""
    tail = follow(valkey, begin)
    await asyncio.wait_for(tail.caught_up.wait(), WITHIN_SECONDS)

    async def send(age_seconds: int) -> None:
        await beat(valkey, AUTH, age_seconds)

    async def felt(seconds: int) -> bool:
        await send(seconds)
        return seconds <= tail.behind_seconds < seconds + 1

    await until(lambda: felt(100))
    await until(lambda: felt(0))
    await send(100)
    await until(lambda: felt(0))


async def test_it_fades(valkey: Valkey, begin: Begin) -> None:
    """When the heartbeats end, the reader falls behind though it reads on."""
    tail = follow(valkey, begin)
    await asyncio.wait_for(tail.caught_up.wait(), WITHIN_SECONDS)

    async def felt() -> bool:
        await beat(valkey, AUTH)
        return tail.behind_seconds < 1

    await until(felt)
    await until(lambda: tail.behind_seconds > 1)

    assert tail.silent_seconds < tail.behind_seconds


async def test_the_stream_is_known_to_be_read_while_heartbeats_are_away(valkey: Valkey, begin: Begin) -> None:
    """Nothing wakes the reader then, and valid tokens are accepted only while `silent_seconds` is small."""
    tail = follow(valkey, begin)
    await asyncio.wait_for(tail.caught_up.wait(), WITHIN_SECONDS)
    silent = []
    for _ in range(100):
        await asyncio.sleep(0.02)
        silent.append(tail.silent_seconds)

    assert statistics.median(silent) < 0.6


async def test_the_stream_is_known_to_be_read_while_events_come_in_between(
    valkey: Valkey, begin: Begin
) -> None:
    """A read that an event ends late says nothing of the time since it began."""
    tail = follow(valkey, begin)
    await asyncio.wait_for(tail.caught_up.wait(), WITHIN_SECONDS)
    silent = []
    async with Redis.from_url(valkey.url) as redis:
        for _ in range(8):
            await redis.xadd(stream.STREAM, entry_of(Event(tags=["user:a"]), "user-service"))
            for _ in range(22):
                await asyncio.sleep(0.02)
                silent.append(tail.silent_seconds)

    assert statistics.quantiles(silent, n=20)[16] < FRESH_SECONDS


async def test_beats_of_others_count_for_nothing(valkey: Valkey, begin: Begin) -> None:
    """Access to Redis does not suffice: unsigned, wrongly signed and replayed heartbeats are ignored."""
    tail = follow(valkey, begin)
    await asyncio.wait_for(tail.caught_up.wait(), WITHIN_SECONDS)
    async with Redis.from_url(valkey.url) as redis:

        async def felt() -> bool:
            await beat(valkey, AUTH)
            return tail.behind_seconds < 1

        await until(felt)
        key = heartbeat.key("auth-service")
        entries: Any = await redis.xrevrange(key, count=1)
        identifier, true_beat = entries[0]
        begin_ms = int(identifier.split(b"-")[0])
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            now = stream.milliseconds(await redis.time())
            mine = service_keys("user-service").sign("heartbeat", f"auth-service\0{now}".encode())
            begin_ms += 1
            await redis.xadd(key, true_beat, id=f"{begin_ms}-0")
            await redis.xadd(key, {"since": now}, id=f"{begin_ms}-1")
            await redis.xadd(key, {"since": now, "signature": true_beat[b"signature"]}, id=f"{begin_ms}-2")
            await redis.xadd(key, {"since": now, "signature": mine}, id=f"{begin_ms}-3")
            await redis.xadd(key, {"since": "x" * 1000, "signature": b""}, id=f"{begin_ms}-4")
            await asyncio.sleep(0.05)

        assert tail.behind_seconds > 1
        await until(lambda: tail.silent_seconds < 1)


async def test_a_key_made_again_is_found(valkey: Valkey, begin: Begin) -> None:
    """Ids set far ahead and removed do not stop heartbeats from being received."""
    tail = follow(valkey, begin)
    await asyncio.wait_for(tail.caught_up.wait(), WITHIN_SECONDS)
    async with Redis.from_url(valkey.url) as redis:
        await redis.xadd(heartbeat.key("auth-service"), {"since": 1}, id=f"{2**60}-0")
        await asyncio.sleep(0.5)
        await redis.delete(heartbeat.key("auth-service"))

        async def felt() -> bool:
            await beat(valkey, AUTH)
            return tail.behind_seconds < 1

        await until(felt)


async def test_heartbeats_continue_after_ids_are_exhausted(valkey: Valkey, begin: Begin) -> None:
    """An entry with the last possible id holds nothing back for long."""
    tail = follow(valkey, begin)
    await asyncio.wait_for(tail.caught_up.wait(), WITHIN_SECONDS)
    async with Redis.from_url(valkey.url) as redis:
        await redis.xadd(heartbeat.key("auth-service"), {"since": 0}, id=f"{2**64 - 1}-{2**64 - 1}")
        await asyncio.sleep(0.5)

        async def is_felt() -> bool:
            await beat(valkey, AUTH)
            return tail.behind_seconds < 1

        await until(is_felt)

"""From the outbox to the stream, through outages and losses."""

import asyncio
import signal
from functools import partial
from typing import Any

import asyncpg
import pytest
from chassis.events import heartbeat, stream
from chassis.events import outbox as outbox_module
from chassis.events.outbox import Outbox, sweep
from chassis.events.relay import Relay
from chassis.postgres.pool import Pool, open_pool
from chassis.tasks import end_task
from devstack.postgres import Postgres
from devstack.valkey import Valkey
from redis.asyncio import Redis
from vestibule.events.v1.events_pb2 import Event

from tests.chassis.conftest import OUTBOX_SQL
from tests.chassis.events.conftest import Append, Begin
from tests.chassis.waiting import until
from tests.fakes.service_keys import service_keys

KEYS = service_keys("user-service")


async def user_ids(valkey: Valkey) -> list[str]:
    """Returns whom the stream's events are about, in order."""
    async with Redis.from_url(valkey.url) as client:
        entries: Any = await client.xrange(stream.STREAM)
    return [Event.FromString(fields[stream.FIELD]).user_changed.user_id for _, fields in entries]


async def test_events_arrive_in_order_and_are_marked(
    pool: Pool, outbox: Outbox, empty_database: str, valkey: Valkey, append: Append, begin: Begin
) -> None:
    for number in range(450):
        await append(str(number))
    begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=valkey.url).run())
    await until(lambda: _pending_is(pool, 0))
    assert await user_ids(valkey) == [str(number) for number in range(450)]
    assert await pool.fetchval("SELECT count(*) FROM stock.outbox WHERE stream_id IS NULL") == 0


async def test_notify_wakes_the_relay_at_once(
    outbox: Outbox, empty_database: str, valkey: Valkey, append: Append, begin: Begin
) -> None:
    relay = Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=valkey.url)
    begin(relay.run())
    await until(lambda: relay.leading)
    for number in range(5):
        await append(str(number))
        await until(partial(_has, valkey, number + 1))


async def test_a_lost_notification_is_made_up_for_by_looking(
    pool: Pool, outbox: Outbox, empty_database: str, valkey: Valkey, begin: Begin
) -> None:
    relay = Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=valkey.url)
    begin(relay.run())
    await until(lambda: relay.leading)
    await asyncio.sleep(0.2)
    await pool.execute("INSERT INTO stock.outbox (event_id, payload) VALUES (gen_random_uuid(), '')")
    await until(lambda: _has(valkey, 1))


async def test_heartbeats_are_sent_only_where_readers_wait_for_them(
    outbox: Outbox, empty_database: str, valkey: Valkey, append: Append, begin: Begin
) -> None:
    """They continue while nothing happens."""

    async def sent() -> int:
        async with Redis.from_url(valkey.url) as client:
            return int((await client.xinfo_stream(key))["entries-added"]) if await client.exists(key) else 0

    async def are_sent(count: int) -> bool:
        return await sent() >= count

    key = heartbeat.key("user-service")
    silent = Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=valkey.url)
    task = begin(silent.run())
    await append("a")
    await until(lambda: _has(valkey, 1))
    await end_task(task)
    assert await sent() == 0

    begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=valkey.url, heartbeats=True).run())
    await until(lambda: are_sent(4))


LAST_ID = f"{2**64 - 1}-{2**64 - 1}"


@pytest.mark.parametrize("far", [f"{2**62}-0", LAST_ID])
async def test_a_stream_whose_ids_lie_far_ahead_is_recreated(
    outbox: Outbox, empty_database: str, valkey: Valkey, append: Append, begin: Begin, far: str
) -> None:
    """One forged entry would otherwise stop adding and trimming."""
    await append("before")
    begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=valkey.url).run())
    await until(lambda: _has(valkey, 1))
    async with Redis.from_url(valkey.url) as redis:
        await redis.xadd(stream.STREAM, {"event": b""}, id=far)
        await append("after")
        await until(lambda: _are(valkey, ["before", "after"]))
        last = (await redis.xinfo_stream(stream.STREAM))["last-generated-id"]
        assert not stream.is_ahead(last.decode(), int((await redis.time())[0]) * 1000)


async def test_of_two_relays_one_publishes_and_the_other_takes_over(
    pool: Pool, outbox: Outbox, empty_database: str, valkey: Valkey, append: Append, begin: Begin
) -> None:
    relays = [Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=valkey.url) for _ in range(2)]
    tasks = [begin(relay.run()) for relay in relays]
    await until(lambda: any(relay.leading for relay in relays))
    await asyncio.gather(*(append(str(number)) for number in range(60)))
    await until(lambda: _pending_is(pool, 0))
    assert [relay.leading for relay in relays].count(True) == 1
    leader = 0 if relays[0].leading else 1
    await end_task(tasks[leader])
    await append("after")
    await until(lambda: relays[1 - leader].leading)
    await until(lambda: _pending_is(pool, 0))
    arrived = await user_ids(valkey)
    assert len(arrived) == len(set(arrived)) == 61
    assert arrived[-1] == "after"


async def test_while_redis_is_away_events_wait(
    pool: Pool,
    outbox: Outbox,
    empty_database: str,
    own_valkey: Valkey,
    append: Append,
    begin: Begin,
) -> None:
    own_valkey.kill()
    begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=own_valkey.url).run())
    await append("a")
    await asyncio.sleep(0.5)
    assert await pool.fetchval("SELECT count(*) FROM stock.outbox WHERE published_at IS NULL") == 1
    await asyncio.to_thread(own_valkey.start)
    await until(lambda: _has(own_valkey, 1))


async def test_a_killed_redis_gets_everything_again(
    pool: Pool,
    outbox: Outbox,
    empty_database: str,
    own_valkey: Valkey,
    append: Append,
    begin: Begin,
) -> None:
    begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=own_valkey.url).run())
    for number in range(250):
        await append(str(number))
    await until(lambda: _pending_is(pool, 0))
    own_valkey.kill()
    await append("meanwhile")
    await asyncio.to_thread(own_valkey.start)
    await until(lambda: _has(own_valkey, 251))
    assert sorted(await user_ids(own_valkey)) == sorted(
        [*(str(number) for number in range(250)), "meanwhile"]
    )


async def test_a_redis_that_lost_its_data_while_no_relay_ran_is_noticed_at_start(
    pool: Pool,
    outbox: Outbox,
    empty_database: str,
    own_valkey: Valkey,
    append: Append,
    begin: Begin,
) -> None:
    task = begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=own_valkey.url).run())
    await append("a")
    await until(lambda: _pending_is(pool, 0))
    await end_task(task)
    own_valkey.kill()
    await asyncio.to_thread(own_valkey.start)
    begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=own_valkey.url).run())
    await until(lambda: _has(own_valkey, 1))


async def test_a_lost_end_of_the_stream_is_published_again_and_the_rest_is_not(
    pool: Pool, outbox: Outbox, empty_database: str, valkey: Valkey, append: Append, begin: Begin
) -> None:
    begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=valkey.url).run())
    for number in range(10):
        await append(str(number))
    await until(lambda: _pending_is(pool, 0))
    client = Redis.from_url(valkey.url)
    entries: Any = await client.xrange(stream.STREAM)
    await client.xdel(stream.STREAM, *(identifier for identifier, _ in entries[-3:]))
    await client.aclose()
    await until(lambda: _has(valkey, 10))
    assert sorted(await user_ids(valkey)) == [str(number) for number in range(10)]


async def test_a_silent_redis_holds_up_nothing_but_itself(
    pool: Pool,
    outbox: Outbox,
    empty_database: str,
    own_valkey: Valkey,
    append: Append,
    begin: Begin,
) -> None:
    begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=own_valkey.url).run())
    await append("a")
    await until(lambda: _pending_is(pool, 0))
    _signal(own_valkey, signal.SIGSTOP)
    for number in range(20):
        await append(str(number))
    await asyncio.sleep(1.5)
    _signal(own_valkey, signal.SIGCONT)
    await until(lambda: _pending_is(pool, 0))
    assert {*map(str, range(20)), "a"} == set(await user_ids(own_valkey))


async def test_a_postgres_restart_is_survived(own_postgres: Postgres, valkey: Valkey, begin: Begin) -> None:
    outbox = Outbox(schema="stock", source="user-service")
    async with open_pool(own_postgres.url(), application_name="t") as pool:
        await pool.execute(OUTBOX_SQL)
        relay = Relay(outbox, keys=KEYS, postgres_url=own_postgres.url(), redis_url=valkey.url)
        task = begin(relay.run())
        await until(lambda: relay.leading)
        await asyncio.to_thread(own_postgres.kill)
        await until(lambda: not relay.leading)
        await asyncio.to_thread(own_postgres.start)
        await pool.execute("INSERT INTO stock.outbox (event_id, payload) VALUES (gen_random_uuid(), '')")
        await until(lambda: _has(valkey, 1))
        await end_task(task)


async def test_old_rows_are_swept(
    pool: Pool, outbox: Outbox, empty_database: str, append: Append, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "SWEEP_BATCH", 3)
    for number in range(8):
        await append(str(number))
    await pool.execute(
        "UPDATE stock.outbox SET published_at = now() - interval '25 hours' WHERE position <= 7"
    )
    connection = await asyncpg.connect(empty_database)
    assert await sweep(connection, outbox) == 7
    await connection.close()
    assert await pool.fetchval("SELECT count(*) FROM stock.outbox") == 1


async def _pending_is(pool: Pool, count: int) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM stock.outbox WHERE published_at IS NULL") == count)


async def _has(valkey: Valkey, count: int) -> bool:
    client = Redis.from_url(valkey.url)
    try:
        return bool(await client.xlen(stream.STREAM) == count)
    finally:
        await client.aclose()


def _signal(valkey: Valkey, number: int) -> None:
    assert valkey.process is not None
    valkey.process.send_signal(number)


async def _are(valkey: Valkey, expected: list[str]) -> bool:
    return await user_ids(valkey) == expected

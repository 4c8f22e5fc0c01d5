"""Handling the stream's events: in order, until they succeed, whichever instance crashes."""

import asyncio
from collections.abc import Iterable

import pytest
from chassis.events import consumer as module
from chassis.events import stream
from chassis.events.consumer import Consumer
from chassis.events.outbox import Outbox
from chassis.events.relay import Relay
from chassis.grpc.call import Call, current_call
from chassis.ids import uuid7
from chassis.tasks import end_task
from devstack.valkey import Valkey
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from structlog.testing import capture_logs
from vestibule.events.v1.events_pb2 import Event, SignedIn, UserChanged

from chassis import ticks
from tests.chassis.events.conftest import Append, Begin
from tests.chassis.waiting import until
from tests.fakes.service_keys import entry_of, service_keys

KEYS = service_keys("user-service")


class Clerk:
    """Handles events by remembering them; refuses the first attempts for some."""

    def __init__(self, *, refuses: dict[str, int] | None = None) -> None:
        self.handled: list[str] = []
        self.attempts: list[str] = []
        self._refuses = dict(refuses or {})

    async def __call__(self, event: Event) -> None:
        user_id = event.user_changed.user_id
        self.attempts.append(user_id)
        if self._refuses.get(user_id, 0) > 0:
            self._refuses[user_id] -= 1
            raise ConnectionError("the database is away")
        self.handled.append(user_id)


def consumer(valkey: Valkey, clerk: Clerk, *, claim_after_seconds: float = 30.0) -> Consumer:
    return Consumer(
        group="stock-service",
        handlers={"user_changed": clerk},
        keys=KEYS,
        redis_url=valkey.url,
        claim_after_seconds=claim_after_seconds,
    )


async def publish(valkey: Valkey, user_ids: Iterable[str]) -> None:
    client = Redis.from_url(valkey.url)
    for user_id in user_ids:
        event = Event(user_changed=UserChanged(user_id=user_id))
        await client.xadd(stream.STREAM, entry_of(event, "user-service"))
    await client.aclose()


async def pending(valkey: Valkey) -> int:
    client = Redis.from_url(valkey.url)
    try:
        return int((await client.xpending(stream.STREAM, "stock-service"))["pending"])
    finally:
        await client.aclose()


async def test_what_was_there_before_and_what_comes_later_is_handled_in_order(
    valkey: Valkey, begin: Begin
) -> None:
    clerk = Clerk()
    await publish(valkey, ["a", "b"])
    begin(consumer(valkey, clerk).run())
    await until(lambda: clerk.handled == ["a", "b"])
    await publish(valkey, ["c"])
    await until(lambda: clerk.handled == ["a", "b", "c"])
    await until(lambda: _nothing_pending(valkey))


async def test_a_handler_that_fails_twice_is_tried_again_before_the_next(
    valkey: Valkey, begin: Begin
) -> None:
    clerk = Clerk(refuses={"b": 2})
    begin(consumer(valkey, clerk).run())
    await publish(valkey, ["a", "b", "c"])
    await until(lambda: len(clerk.handled) == 3)
    assert clerk.attempts == ["a", "b", "b", "b", "c"]
    await until(lambda: _nothing_pending(valkey))


async def test_events_of_no_interest_and_unreadable_ones_are_passed_over(
    valkey: Valkey, begin: Begin
) -> None:
    clerk = Clerk()
    client = Redis.from_url(valkey.url)
    await client.xadd(stream.STREAM, entry_of(Event(signed_in=SignedIn(user_id="x")), "auth-service"))
    await client.xadd(stream.STREAM, {stream.FIELD: b"\xff\xff\xff"})
    await client.xadd(stream.STREAM, {b"other": b""})
    await client.aclose()
    await publish(valkey, ["a"])
    begin(consumer(valkey, clerk).run())
    await until(lambda: clerk.handled == ["a"])
    await until(lambda: _nothing_pending(valkey))


async def test_instances_share_the_work(valkey: Valkey, begin: Begin) -> None:
    clerks = [Clerk(), Clerk()]
    for clerk in clerks:
        begin(consumer(valkey, clerk).run())
    await publish(valkey, map(str, range(200)))
    await until(lambda: sum(len(clerk.handled) for clerk in clerks) == 200)
    assert sorted(clerks[0].handled + clerks[1].handled) == sorted(map(str, range(200)))


async def test_a_stopped_instance_hands_its_work_to_the_next_at_once(valkey: Valkey, begin: Begin) -> None:
    stuck = Clerk(refuses={"a": 10_000})
    task = begin(consumer(valkey, stuck).run())
    await publish(valkey, ["a", "b"])
    await until(lambda: stuck.attempts)
    await end_task(task)
    await asyncio.wait([task])
    clerk = Clerk()
    begin(consumer(valkey, clerk, claim_after_seconds=600.0).run())
    await until(lambda: clerk.handled == ["a", "b"])


async def test_the_work_of_a_dead_instance_is_claimed(valkey: Valkey, begin: Begin) -> None:
    await publish(valkey, ["a", "b"])
    client = Redis.from_url(valkey.url)
    await client.xgroup_create(stream.STREAM, "stock-service", id="0")
    await client.xreadgroup("stock-service", "dead", {stream.STREAM: ">"}, count=1)
    await client.aclose()
    await asyncio.sleep(0.3)
    clerk = Clerk()
    begin(consumer(valkey, clerk, claim_after_seconds=0.2).run())
    await until(lambda: sorted(clerk.handled) == ["a", "b"])
    await until(lambda: _nothing_pending(valkey))


async def test_an_instance_that_retries_keeps_its_work(valkey: Valkey, begin: Begin) -> None:
    stubborn = Clerk(refuses={"a": 6})
    begin(consumer(valkey, stubborn, claim_after_seconds=2.0).run())
    await publish(valkey, ["a", "b"])
    await until(lambda: stubborn.attempts)
    idle = Clerk()
    other = consumer(valkey, idle, claim_after_seconds=2.0)
    begin(other.run())
    while stubborn.handled != ["a", "b"] and not idle.handled:
        other._claimed_at = float("-inf")
        await publish(valkey, [])
        await asyncio.sleep(0.05)
    assert (stubborn.handled, idle.handled) == (["a", "b"], [])


async def test_an_instance_that_progresses_keeps_the_rest_of_its_batch(valkey: Valkey, begin: Begin) -> None:
    """However long the whole batch takes: nothing is handled twice, or out of order."""
    numbers = list(map(str, range(12)))

    class Slow(Clerk):
        async def __call__(self, event: Event) -> None:
            await asyncio.sleep(0.25)
            await super().__call__(event)

    slow, idle = Slow(), Clerk()
    await publish(valkey, numbers)
    begin(consumer(valkey, slow, claim_after_seconds=2.0).run())
    await until(lambda: len(slow.handled) == 9)
    begin(consumer(valkey, idle, claim_after_seconds=2.0).run())
    await until(lambda: len(slow.handled) + len(idle.handled) >= 12)
    assert (slow.handled, idle.handled) == (numbers, [])


async def test_an_event_that_another_instance_took_over_blocks_no_more(valkey: Valkey, begin: Begin) -> None:
    """It was claimed and handled while this instance, which retried it, had no connection."""

    def blocked() -> float | None:
        return REGISTRY.get_sample_value("events_blocked")

    stuck = Clerk(refuses={"a": 10_000})
    begin(consumer(valkey, stuck).run())
    await publish(valkey, ["a"])
    await until(lambda: blocked() == 1)
    async with Redis.from_url(valkey.url) as client:
        (taken,) = await client.xpending_range(stream.STREAM, "stock-service", "-", "+", 1)
        await client.xack(stream.STREAM, "stock-service", taken["message_id"])
        await client.client_kill_filter(_type="normal", skipme=True)
    await until(lambda: blocked() == 0)


async def test_a_lost_stream_is_recreated(
    outbox: Outbox, empty_database: str, own_valkey: Valkey, append: Append, begin: Begin
) -> None:
    clerk = Clerk()
    begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=own_valkey.url).run())
    begin(consumer(own_valkey, clerk).run())
    await append("a")
    await until(lambda: clerk.handled == ["a"])
    own_valkey.kill()
    await append("b")
    await asyncio.to_thread(own_valkey.start)
    await until(lambda: {"a", "b"} <= set(clerk.handled[1:]))


async def test_a_flushed_stream_is_recreated(
    outbox: Outbox, empty_database: str, valkey: Valkey, append: Append, begin: Begin
) -> None:
    clerk = Clerk()
    begin(Relay(outbox, keys=KEYS, postgres_url=empty_database, redis_url=valkey.url).run())
    begin(consumer(valkey, clerk).run())
    await append("a")
    await until(lambda: clerk.handled == ["a"])
    client = Redis.from_url(valkey.url)
    await client.flushall()
    await client.aclose()
    await append("b")
    await until(lambda: "b" in clerk.handled)


async def test_a_handler_runs_under_the_events_name_and_trace(valkey: Valkey, begin: Begin) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    calls: list[Call | None] = []

    async def handle(event: Event) -> None:
        calls.append(current_call())

    begin(Consumer(group="g", handlers={"user_changed": handle}, keys=KEYS, redis_url=valkey.url).run())
    event = Event(event_id=str(uuid7()), traceparent=trace, user_changed=UserChanged(user_id="p"))
    async with Redis.from_url(valkey.url) as client:
        await client.xadd(stream.STREAM, entry_of(event, "user-service"))
    await until(lambda: calls)
    assert calls[0] is not None
    assert (calls[0].caller.request_id, calls[0].traceparent) == (event.event_id, trace)
    assert current_call() is None


def test_a_handler_for_no_event_is_refused(valkey: Valkey) -> None:
    with pytest.raises(ValueError, match="user_chnged"):
        Consumer(group="g", handlers={"user_chnged": Clerk()}, keys=KEYS, redis_url=valkey.url)


async def _nothing_pending(valkey: Valkey) -> bool:
    return await pending(valkey) == 0


async def test_a_quiet_stream_is_no_outage(
    valkey: Valkey, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for the next event may be as long as timers that fire together make it."""
    monkeypatch.setattr(module, "BLOCK_SECONDS", 0.05)
    monkeypatch.setattr(ticks, "about", lambda seconds: seconds + ticks.LATE_SECONDS_MAX)
    clerk = Clerk()
    with capture_logs() as logs:
        begin(consumer(valkey, clerk).run())
        await asyncio.sleep(ticks.LATE_SECONDS_MAX + 0.3)
        await publish(valkey, ["a"])
        await until(lambda: clerk.handled == ["a"])

    assert [each["event"] for each in logs if each["log_level"] == "warning"] == []

"""Following the stream from some minutes ago on, and knowing when something may be missing."""

import asyncio
import signal
from time import time

from chassis.events import stream
from chassis.events.tail import Tail
from devstack.valkey import Valkey
from redis.asyncio import Redis
from vestibule.events.v1.events_pb2 import Event, UserChanged

from tests.chassis.events.conftest import Begin
from tests.chassis.waiting import until
from tests.fakes.service_keys import entry_of, service_keys
from tests.waiting import WITHIN_SECONDS


class Listener:
    """Records what a tail delivers."""

    def __init__(self, valkey: Valkey, *, failures: int = 0) -> None:
        self.received: list[str] = []
        self.losses = 0
        self._failures = failures
        self.tail = Tail(
            redis_url=valkey.url,
            client_name="test",
            keys=service_keys("gateway"),
            on_event=self._on_event,
            on_lost=self._on_lost,
        )

    def _on_event(self, event: Event) -> bool:
        self.received.append(event.user_changed.user_id)
        return True

    async def _on_lost(self) -> None:
        self.losses += 1
        if self._failures:
            self._failures -= 1
            raise ConnectionError("auth-service is away")


async def publish(valkey: Valkey, user_id: str, *, age_seconds: float = 0) -> None:
    event = Event(user_changed=UserChanged(user_id=user_id))
    client = Redis.from_url(valkey.url)
    identifier = f"{int((time() - age_seconds) * 1000)}-*" if age_seconds else "*"
    await client.xadd(stream.STREAM, entry_of(event, "user-service"), id=identifier)
    await client.aclose()


async def test_it_begins_a_quarter_of_an_hour_ago_and_goes_on(valkey: Valkey, begin: Begin) -> None:
    await publish(valkey, "too old", age_seconds=1000)
    await publish(valkey, "old", age_seconds=800)
    listener = Listener(valkey)
    assert listener.tail.silent_seconds == float("inf")
    begin(listener.tail.run())
    await asyncio.wait_for(listener.tail.caught_up.wait(), WITHIN_SECONDS)
    assert listener.received == ["old"]
    await publish(valkey, "new")
    await until(lambda: listener.received == ["old", "new"])
    assert listener.losses == 0


async def test_an_idle_stream_is_not_a_silent_one(valkey: Valkey, begin: Begin) -> None:
    listener = Listener(valkey)
    begin(listener.tail.run())
    await asyncio.wait_for(listener.tail.caught_up.wait(), WITHIN_SECONDS)
    ends = asyncio.get_running_loop().time() + 2.5
    reads = 0
    while asyncio.get_running_loop().time() < ends:
        before = listener.tail.silent_seconds
        await asyncio.sleep(0.02)
        reads += listener.tail.silent_seconds < before

    # Nothing was published, and the stream was read several times.
    assert reads >= 2


async def test_a_silent_redis_is_noticed_and_nothing_is_missed(own_valkey: Valkey, begin: Begin) -> None:
    """State is fetched again too: an event of that time may never come, if who is to publish it has ended."""
    listener = Listener(own_valkey)
    begin(listener.tail.run())
    await asyncio.wait_for(listener.tail.caught_up.wait(), WITHIN_SECONDS)
    _signal(own_valkey, signal.SIGSTOP)
    await asyncio.sleep(1.2)
    assert listener.tail.silent_seconds > 1
    _signal(own_valkey, signal.SIGCONT)
    await publish(own_valkey, "after")
    await until(lambda: listener.received == ["after"])
    await until(lambda: listener.tail.silent_seconds < 1)
    assert listener.losses == 1


async def test_a_restarted_redis_may_have_lost_something(own_valkey: Valkey, begin: Begin) -> None:
    listener = Listener(own_valkey)
    begin(listener.tail.run())
    await asyncio.wait_for(listener.tail.caught_up.wait(), WITHIN_SECONDS)
    own_valkey.kill()
    await asyncio.to_thread(own_valkey.start)
    await publish(own_valkey, "a")
    await until(lambda: listener.received == ["a"])
    assert listener.losses == 1


async def test_a_flushed_stream_is_lost(valkey: Valkey, begin: Begin) -> None:
    listener = Listener(valkey)
    begin(listener.tail.run())
    await publish(valkey, "a")
    await until(lambda: listener.received == ["a"])
    await _flush(valkey)
    await until(lambda: listener.losses == 1)
    await publish(valkey, "b")
    await until(lambda: listener.received == ["a", "b"])
    assert listener.losses == 1


async def test_a_trimmed_entry_behind_others_is_lost(valkey: Valkey, begin: Begin) -> None:
    """What was trimmed before it was read is missed, even if the stream brings what came after it."""
    listener = Listener(valkey)
    begin(listener.tail.run())
    await publish(valkey, "a")
    await until(lambda: listener.received == ["a"])
    async with Redis.from_url(valkey.url) as client, client.pipeline(transaction=True) as together:
        for user_id in ("trimmed", "b"):
            event = Event(user_changed=UserChanged(user_id=user_id))
            together.xadd(stream.STREAM, entry_of(event, "user-service"), maxlen=1, approximate=False)
        await together.execute()
    await until(lambda: listener.received == ["a", "b"])
    await until(lambda: listener.losses == 1)
    await publish(valkey, "c")
    await until(lambda: listener.received == ["a", "b", "c"])
    assert listener.losses == 1


async def test_a_loss_that_is_not_made_up_for_keeps_it_silent(own_valkey: Valkey, begin: Begin) -> None:
    listener = Listener(own_valkey, failures=3)
    begin(listener.tail.run())
    await asyncio.wait_for(listener.tail.caught_up.wait(), WITHIN_SECONDS)
    own_valkey.kill()
    await asyncio.to_thread(own_valkey.start)
    read_before = listener.tail.last_read
    await until(lambda: listener.losses == 2)
    assert listener.tail.last_read == read_before
    await publish(own_valkey, "a")
    await until(lambda: listener.received == ["a"])
    assert listener.losses == 4


def _signal(valkey: Valkey, number: int) -> None:
    assert valkey.process is not None
    valkey.process.send_signal(number)


async def _flush(valkey: Valkey) -> None:
    async with Redis.from_url(valkey.url) as client:
        await client.flushall()

"""The feed on a real stream: a revocation is everywhere within a second, whatever Redis does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from chassis.errors import ServiceError
from chassis.events import stream
from chassis.events.tail import Tail
from chassis.lifecycle import end_task
from devstack.valkey import Valkey
from redis.asyncio import Redis
from vestibule.events.v1.events_pb2 import Event, TokensRevoked

from tests.chassis.identity.court import KEY, Court, of_user, open_court, ready
from tests.chassis.identity.tokens import payload, sign
from tests.chassis.waiting import until
from tests.fakes.service_keys import entry_of, service_keys


@asynccontextmanager
async def open_fed_court(valkey: Valkey) -> AsyncIterator[Court]:
    """Opens a court whose judge hears of revocations by a real stream."""
    async with open_court() as court:
        feed = court.judge.feed
        tail = Tail(
            redis_url=valkey.url,
            client_name="test",
            keys=service_keys("gateway"),
            on_event=feed.on_event,
            on_lost=feed.on_lost,
        )
        running = [asyncio.create_task(work) for work in (tail.run(), court.judge.run(tail))]
        await ready(court.judge)
        await until(lambda: feed.fresh)
        try:
            yield court
        finally:
            for task in running:
                await end_task(task)


async def publish(valkey: Valkey, revoked: TokensRevoked) -> None:
    """Puts a revocation on the stream, as auth-service's relay does."""
    event = Event(tokens_revoked=revoked)
    async with Redis.from_url(valkey.url) as client:
        await client.xadd(stream.STREAM, entry_of(event, "auth-service"))


async def refused(court: Court, token: str) -> bool:
    """Says whether a token is refused."""
    try:
        await court.judge.judge(token)
    except ServiceError:
        return True
    return False


async def test_revocation_by_the_stream(valkey: Valkey) -> None:
    """Within a second, without a question."""
    claims = payload()
    token = sign(KEY, claims)
    async with open_fed_court(valkey) as court:
        await court.judge.judge(token)
        started = time.monotonic()
        await publish(valkey, of_user(claims))
        await until(lambda: refused(court, token))

        assert time.monotonic() - started < 1
        assert court.auth.introspected == 0


@pytest.mark.parametrize("freezes", [False, True])
async def test_revocation_while_redis_is_away(own_valkey: Valkey, freezes: bool) -> None:
    """Dead or frozen: auth-service is asked instead, and memory is trusted again afterwards."""
    claims = payload()
    token = sign(KEY, claims)
    async with open_fed_court(own_valkey) as court:
        await court.judge.judge(token)
        if freezes:
            assert own_valkey.process is not None
            own_valkey.process.send_signal(19)
        else:
            own_valkey.kill()
        court.auth.refusal = "TOKEN_REVOKED"
        started = time.monotonic()
        await until(lambda: refused(court, token))
        seconds = time.monotonic() - started
        court.auth.revocations = [of_user(claims)]
        if freezes:
            assert own_valkey.process is not None
            own_valkey.process.send_signal(18)
        else:
            await asyncio.to_thread(own_valkey.start)
        await until(lambda: court.judge.feed.fresh)
        asked = court.auth.introspected

        # What a dead stream has lost is on auth-service's list; a frozen one has lost nothing.
        assert freezes or await refused(court, token)
        await court.judge.judge(sign(KEY))
        assert seconds < 1.2
        assert asked == court.auth.introspected

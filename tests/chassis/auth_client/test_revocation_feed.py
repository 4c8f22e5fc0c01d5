"""The feed on a real stream: a revocation is everywhere within a second, whatever Redis does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from chassis.errors import ServiceError
from chassis.events import stream
from chassis.events.tail import Tail
from chassis.tasks import end_task
from devstack.valkey import Valkey
from redis.asyncio import Redis
from vestibule.events.v1.events_pb2 import Event, TokensRevoked

from tests.chassis.auth_client.auth_stand_in import KEY, Stack, of_user, open_stack, ready
from tests.chassis.identity.tokens import payload, sign
from tests.chassis.waiting import until
from tests.fakes.service_keys import entry_of, service_keys
from tests.waiting import SLOW_MACHINE_SECONDS


@asynccontextmanager
async def open_fed_stack(valkey: Valkey) -> AsyncIterator[Stack]:
    """Opens a stack whose authenticator receives revocations from a real stream."""
    async with open_stack() as stack:
        feed = stack.authenticator.feed
        tail = Tail(
            redis_url=valkey.url,
            client_name="test",
            keys=service_keys("gateway"),
            on_event=feed.on_event,
            on_lost=feed.on_lost,
        )
        running = [asyncio.create_task(work) for work in (tail.run(), stack.authenticator.run(tail))]
        await ready(stack.authenticator)
        await until(lambda: feed.fresh)
        try:
            yield stack
        finally:
            for task in running:
                await end_task(task)


async def publish(valkey: Valkey, revoked: TokensRevoked) -> None:
    """Puts a revocation on the stream, as auth-service's relay does."""
    event = Event(tokens_revoked=revoked)
    async with Redis.from_url(valkey.url) as client:
        await client.xadd(stream.STREAM, entry_of(event, "auth-service"))


async def refused(stack: Stack, token: str) -> bool:
    """Says whether a token is refused."""
    try:
        await stack.authenticator.authenticate(token)
    except ServiceError:
        return True
    return False


async def test_revocation_by_the_stream(valkey: Valkey) -> None:
    """Within a second, without a question."""
    claims = payload()
    token = sign(KEY, claims)
    async with open_fed_stack(valkey) as stack:
        await stack.authenticator.authenticate(token)
        started = time.monotonic()
        await publish(valkey, of_user(claims))
        await until(lambda: refused(stack, token))

        assert time.monotonic() - started < SLOW_MACHINE_SECONDS
        assert stack.auth.introspected == 0


@pytest.mark.parametrize("freezes", [False, True])
async def test_revocation_while_redis_is_away(own_valkey: Valkey, freezes: bool) -> None:
    """Dead or frozen: auth-service is asked instead, and memory is trusted again afterwards."""
    claims = payload()
    token = sign(KEY, claims)
    async with open_fed_stack(own_valkey) as stack:
        await stack.authenticator.authenticate(token)
        if freezes:
            assert own_valkey.process is not None
            own_valkey.process.send_signal(19)
        else:
            own_valkey.kill()
        stack.auth.refusal = "TOKEN_REVOKED"
        started = time.monotonic()
        await until(lambda: refused(stack, token))
        seconds = time.monotonic() - started
        stack.auth.revocations = [of_user(claims)]
        if freezes:
            assert own_valkey.process is not None
            own_valkey.process.send_signal(18)
        else:
            await asyncio.to_thread(own_valkey.start)
        await until(lambda: stack.authenticator.feed.fresh)
        asked = stack.auth.introspected

        # What a dead stream has lost is on auth-service's list; a frozen one has lost nothing.
        assert freezes or await refused(stack, token)
        await stack.authenticator.authenticate(sign(KEY))
        assert seconds < SLOW_MACHINE_SECONDS
        assert asked == stack.auth.introspected

"""The breaker: a restart costs time, an outage fails at once, an overloaded service is no outage."""

import asyncio
import time

import pytest
from chassis.errors import Unavailable
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.grpc.reconnection import RECONNECT_SECONDS
from devstack.ports import free_port
from gateway.upstream.breaker import FAILURES_TO_OPEN, Breaker
from vestibule.users.v1 import user_service_pb2

from tests.fakes.service_keys import service_tokens
from tests.gateway.stack import FakeUpstream, serving_users

SERVICE = user_service_pb2.DESCRIPTOR.services_by_name["UserService"]


def channel_to(address: str) -> ServiceChannel:
    """Opens a channel."""
    return open_channel(address, service_tokens=service_tokens("gateway"), services=[SERVICE])


async def test_an_outage_fails_at_once() -> None:
    """The first calls wait a moment for a restart; once it is open calls fail at once."""
    async with channel_to(f"127.0.0.1:{free_port()}") as channel:
        breaker = Breaker("users")
        method = channel.unary_unary("/vestibule.users.v1.UserService/UpdateMe")
        outcomes = await asyncio.gather(
            *(breaker.call(lambda: method(b"")) for _ in range(FAILURES_TO_OPEN)), return_exceptions=True
        )
        assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
        started = time.monotonic()
        for _ in range(50):
            with pytest.raises(Unavailable):
                await breaker.call(lambda: method(b""))

    assert time.monotonic() - started < 25 * RECONNECT_SECONDS


async def test_a_busy_service_is_no_outage(upstream: FakeUpstream) -> None:
    """What a service refuses shows that it is there, however often."""
    busy = Unavailable(retry_after_seconds=1)
    breaker = Breaker("users")

    async def refuse() -> bytes:
        raise busy

    for _ in range(3 * FAILURES_TO_OPEN):
        with pytest.raises(Unavailable) as refused:
            await breaker.call(refuse)
        assert refused.value is busy


async def test_it_closes_when_a_call_succeeds(upstream: FakeUpstream) -> None:
    """After an outage the first call that gets through ends it."""
    async with serving_users(upstream) as address, channel_to(address) as channel:
        breaker = Breaker("users")
        breaker._failures = FAILURES_TO_OPEN
        method = channel.unary_unary("/vestibule.users.v1.UserService/GetMe")
        for _ in range(2):
            with pytest.raises(Exception, match="UNAUTHENTICATED"):
                await breaker.call(lambda: method(b""))

    assert breaker._failures == 0

"""Methods whose requests stream, one way and both: served and called by the chassis."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from chassis.errors import Draining, Forbidden, RemoteError, Unavailable
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.grpc.server import build_server
from google.api.httpbody_pb2 import HttpBody
from prometheus_client import REGISTRY

from tests.chassis.grpc.stack import TableAuthenticator, sign_in
from tests.chassis.waiting import until
from tests.fakes.echo_service import SERVICE, EchoService, echo_descriptor, message, message_type
from tests.fakes.service_keys import service_tokens
from tests.waiting import SLOW_MACHINE_SECONDS


@pytest.fixture(name="echo")
async def _echo() -> AsyncIterator[SimpleNamespace]:
    """An echo service behind the chassis, and a channel to it as the gateway has one."""
    service = EchoService()
    descriptor = echo_descriptor()
    server = build_server(
        service_tokens=service_tokens("example.echo.v1"), authenticator=TableAuthenticator()
    )
    server.add_methods(SERVICE, service.handlers())
    port = await server.start("127.0.0.1:0")
    server.set_serving(True)
    channel = open_channel(
        f"127.0.0.1:{port}", service_tokens=service_tokens("gateway"), services=[descriptor]
    )
    yield SimpleNamespace(service=service, server=server, channel=channel)
    await channel.close()
    await server.stop(0)


def method(channel: ServiceChannel, name: str) -> Any:
    """Returns a method as a generated stub would have it."""
    make = channel.stream_stream if name == "Talk" else channel.stream_unary
    return make(
        f"/{SERVICE}/{name}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=message_type(f"{name}Response").FromString,
    )


async def sending(*requests: Any) -> AsyncIterator[Any]:
    """Yields requests."""
    for request in requests:
        yield request


async def forever(*requests: Any) -> AsyncIterator[Any]:
    """Yields requests, then keeps the stream open."""
    for request in requests:
        yield request
    await asyncio.Event().wait()


async def test_both_ways(echo: SimpleNamespace) -> None:
    """Responses come while requests are still to be sent; the stream ends when both sides have ended."""
    sign_in("user")
    received = asyncio.Event()

    async def requests() -> AsyncIterator[Any]:
        yield message("TalkRequest", say="a")
        await received.wait()
        yield message("TalkRequest", audio=b"b")

    got = []
    async for response in method(echo.channel, "Talk")(requests()):
        got.append(response.said or response.audio)
        received.set()

    assert got == ["a", b"b"]


async def test_many_in_one_out(echo: SimpleNamespace) -> None:
    """A client stream has one response."""
    words = [message("CollectRequest", word=word) for word in "abc"]

    assert (await method(echo.channel, "Collect")(sending(*words))).text == "a b c"


async def test_each_message_is_validated(echo: SimpleNamespace) -> None:
    """A request that breaks a rule ends the stream; those before it have been answered."""
    sign_in("user")
    responses = method(echo.channel, "Talk")(
        sending(message("TalkRequest", say="a"), message("TalkRequest", say="x" * 1001))
    )

    assert (await anext(responses)).said == "a"
    with pytest.raises(RemoteError, match="VALIDATION_ERROR"):
        await anext(responses)
    with pytest.raises(RemoteError, match="VALIDATION_ERROR"):
        await method(echo.channel, "Collect")(sending(message("CollectRequest", word="x" * 9)))


async def test_policy_holds_before_the_first_message(echo: SimpleNamespace) -> None:
    """No unauthenticated caller may send anything, nor may a service that is not the gateway."""
    sign_in("")
    with pytest.raises(RemoteError, match="UNAUTHENTICATED"):
        await anext(method(echo.channel, "Talk")(forever()))

    assert echo.service.received == 0


async def test_an_iterator_that_fails(echo: SimpleNamespace) -> None:
    """What the caller's own requests raise is what the call raises, and the service sees it end."""
    sign_in("user")

    async def requests() -> AsyncIterator[Any]:
        yield message("TalkRequest", say="a")
        raise Forbidden

    with pytest.raises(Forbidden):
        async for _ in method(echo.channel, "Talk")(requests()):
            pass
    await until(lambda: echo.service.open == 0)


async def test_leaving_ends_the_service_s_side(echo: SimpleNamespace) -> None:
    """Closing the iterator of responses ends the call."""
    sign_in("user")
    responses = method(echo.channel, "Talk")(forever(message("TalkRequest", say="a")))
    await anext(responses)
    assert echo.service.open == 1
    await responses.aclose()
    await until(lambda: echo.service.open == 0)


async def test_a_stop_ends_streams_that_wait_for_requests(echo: SimpleNamespace) -> None:
    """Their callers learn that the server is draining, not that it failed."""
    sign_in("user")
    responses = method(echo.channel, "Talk")(forever(message("TalkRequest", say="a")))
    await anext(responses)
    started = time.monotonic()
    await echo.server.stop(60)
    with pytest.raises(Draining):
        await anext(responses)

    assert time.monotonic() - started < SLOW_MACHINE_SECONDS
    assert issubclass(Draining, Unavailable)


async def test_message_by_message(echo: SimpleNamespace) -> None:
    """The gateway's way: send, receive, end, each when it is time, and back-pressure if nothing is read."""
    sign_in("user")
    call = echo.channel.duplex(f"/{SERVICE}/Talk").open()
    await call.connected()
    await call.send(message("TalkRequest", say="a").SerializeToString())
    first = message_type("TalkResponse").FromString(await call.receive())
    await call.send(message("TalkRequest", flood=1_000_000).SerializeToString())

    async def waits() -> bool:
        sent = echo.service.sent
        await asyncio.sleep(0.5)
        return bool(0 < sent == echo.service.sent)

    await until(waits)
    assert first.said == "a"
    assert echo.service.sent < 10_000, "what is not read fills the windows between, and no more"
    call.cancel()
    await until(lambda: echo.service.open == 0)


async def test_what_streams_carry_is_counted(echo: SimpleNamespace) -> None:
    """Opened, open, messages and bytes, by method."""
    labels = {"service": SERVICE, "method": "Talk"}

    def value(name: str, **more: str) -> float:
        return REGISTRY.get_sample_value(name, labels | more) or 0.0

    before = value("grpc_server_stream_messages_total", direction="received")
    opened = value("grpc_server_streams_opened_total")
    sign_in("user")
    got = [each async for each in method(echo.channel, "Talk")(sending(message("TalkRequest", say="a")))]
    await until(lambda: value("grpc_server_streams_open") == 0)

    assert len(got) == 1
    assert value("grpc_server_streams_opened_total") == opened + 1
    assert value("grpc_server_stream_messages_total", direction="received") == before + 1
    assert value("grpc_server_stream_bytes_total", direction="sent") > 0


async def test_content_is_finished_when_the_server_stops(echo: SimpleNamespace) -> None:
    """Half of a body is of no use: a stream of `HttpBody` ends like a call, not like a stream of events."""
    play = echo.channel.unary_stream(
        f"/{SERVICE}/Play",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=HttpBody.FromString,
    )
    sign_in("user")
    parts = play(message("PlayRequest", parts=5, part_bytes=1, pause_milliseconds=200))
    await anext(parts)
    stopping = asyncio.ensure_future(echo.server.stop(5))

    assert len([part async for part in parts]) == 4
    await stopping

"""A channel gives up in time, repeats only what may be repeated, and speaks bytes on request."""

import asyncio
import time
from typing import Any

import grpc
import pytest
from chassis.errors import DeadlineExceeded, Unavailable
from chassis.grpc.call import Call, enter
from chassis.grpc.channel import open_channel
from chassis.grpc.errors import never_sent
from chassis.grpc.policy import service_policies
from chassis.grpc.reconnection import RECONNECT_SECONDS
from chassis.grpc.service_config import service_config
from chassis.identity.caller import Caller
from devstack.ports import free_port
from vestibule.users.v1 import user_service_pb2, user_service_pb2_grpc
from vestibule.users.v1.user_pb2 import User

from tests.chassis.grpc.stack import SERVICES, Stack, open_stack, sign_in
from tests.fakes.service_keys import service_tokens
from tests.waiting import SLOW_MACHINE_SECONDS, WITHIN_SECONDS

GET_ME = user_service_pb2.GetMeRequest()
DELETE_ME = user_service_pb2.DeleteMeRequest(password="x")


async def refuse(request: Any, context: Any) -> Any:
    """Fails as a server does that is going away: without a word of ours."""
    await context.abort(grpc.StatusCode.UNAVAILABLE, "going away")


async def test_reads_are_repeated_and_writes_are_not(stack: Stack) -> None:
    """Only the protos say that calling twice is as good as once."""
    stack.script.answers |= {"GetMe": refuse, "DeleteMe": refuse}
    sign_in("user")
    with pytest.raises(Unavailable):
        await stack.users.GetMe(GET_ME)
    with pytest.raises(Unavailable):
        await stack.users.DeleteMe(DELETE_ME)

    assert stack.script.calls == ["GetMe"] * 3 + ["DeleteMe"]


async def test_read_that_succeeds_the_second_time(stack: Stack) -> None:
    """A pod that goes away is not noticed by a reader."""

    async def answer(request: Any, context: Any) -> Any:
        if len(stack.script.calls) == 1:
            await refuse(request, context)
        return user_service_pb2.GetMeResponse(user=User(full_name="Ada"))

    stack.script.answers["GetMe"] = answer
    sign_in("user")
    response = await stack.users.GetMe(GET_ME)

    assert response.user.full_name == "Ada"


async def test_refusal_of_a_service_itself_is_not_repeated(stack: Stack) -> None:
    """Who says `come back in a second` is not asked again at once."""

    async def answer(request: Any, context: Any) -> Any:
        raise Unavailable

    stack.script.answers["GetMe"] = answer
    sign_in("user")
    with pytest.raises(Unavailable):
        await stack.users.GetMe(GET_ME)

    assert stack.script.calls == ["GetMe"]


async def test_retries_have_a_budget(stack: Stack) -> None:
    """A service that fails every call is soon called once a call, not three times."""
    stack.script.answers["GetMe"] = refuse
    sign_in("user")
    for _ in range(40):
        with pytest.raises(Unavailable):
            await stack.users.GetMe(GET_ME)

    assert len(stack.script.calls) < 40 + 15


def test_service_config_names_repeatable_methods_only() -> None:
    """The config says what the protos say."""
    config = service_config(service_policies(SERVICES[0]))
    names = {entry["method"] for entry in config["methodConfig"][0]["name"]}

    assert {"GetMe", "UpdateMe", "ListUsers", "GetUser", "UpdateUser", "DeleteUser"} == names


async def test_a_stopping_server_receives_nothing_more(stack: Stack) -> None:
    """Callers turn away before the server refuses them, and know that their calls were not sent."""
    sign_in("user")
    await stack.users.GetMe(GET_ME)

    stack.server.drain()
    async with asyncio.timeout(20):
        await stack.channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
    with pytest.raises(Unavailable) as caught:
        await stack.users.GetMe(GET_ME)

    assert never_sent(caught.value)
    assert stack.script.calls == ["GetMe"]


async def test_unreachable_service() -> None:
    """The first call waits for a connection; after that calls fail at once."""
    tokens = service_tokens("gateway")
    async with open_channel(f"127.0.0.1:{free_port()}", service_tokens=tokens, services=SERVICES) as channel:
        users = user_service_pb2_grpc.UserServiceStub(channel)
        with pytest.raises(Unavailable):
            await users.GetMe(GET_ME, timeout=1.0)
        await asyncio.sleep(RECONNECT_SECONDS)
        started = time.monotonic()
        for _ in range(5):
            with pytest.raises(Unavailable):
                await users.DeleteMe(DELETE_ME)

    assert time.monotonic() - started < 3 * RECONNECT_SECONDS


async def test_write_waits_for_a_pod_that_comes() -> None:
    """A call that was not sent is made when there is a connection, even one that must not be repeated."""
    port = free_port()
    tokens = service_tokens("gateway")
    async with open_channel(f"127.0.0.1:{port}", service_tokens=tokens, services=SERVICES) as channel:
        sign_in("user")
        users = user_service_pb2_grpc.UserServiceStub(channel)
        calls = [asyncio.ensure_future(users.DeleteMe(DELETE_ME)) for _ in range(20)]
        await asyncio.sleep(0.5)
        async with open_stack(port=port) as stack:
            await asyncio.gather(*calls)
            assert stack.script.calls == ["DeleteMe"] * 20


async def test_address_of_a_pod_that_has_gone_costs_no_call(stack: Stack) -> None:
    """A cached answer of DNS names a dead pod beside a living one: every call reaches the living one."""
    tokens = service_tokens("gateway")
    target = f"ipv4:///127.0.0.1:{free_port()},127.0.0.1:{stack.port}"
    async with open_channel(target, service_tokens=tokens, services=SERVICES) as channel:
        sign_in("user")
        users = user_service_pb2_grpc.UserServiceStub(channel)
        for _ in range(30):
            await users.DeleteMe(DELETE_ME)

    assert stack.script.calls == ["DeleteMe"] * 30


async def test_service_that_is_slow_to_take_connections(stack: Stack) -> None:
    """On a busy machine a connection takes seconds: calls wait for it, or the next ones are answered."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def connect_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(delays.pop(0))
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", stack.port)
        try:
            await asyncio.gather(copy(reader, upstream_writer), copy(upstream_reader, writer))
        finally:  # The test may end while both are open.
            upstream_writer.close()
            writer.close()

    async with await asyncio.start_server(connect_late, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        address, tokens = f"127.0.0.1:{port}", service_tokens("gateway")
        sign_in("user")
        delays = [1.2] * 50
        async with open_channel(address, service_tokens=tokens, services=SERVICES) as channel:
            await user_service_pb2_grpc.UserServiceStub(channel).DeleteMe(DELETE_ME)
        delays = [4.0] * 50
        async with open_channel(address, service_tokens=tokens, services=SERVICES) as channel:
            users = user_service_pb2_grpc.UserServiceStub(channel)
            for _ in range(10):
                if await _answered(users):
                    return
    pytest.fail("no connection")


async def _answered(users: user_service_pb2_grpc.UserServiceStub) -> bool:
    try:
        await users.DeleteMe(DELETE_ME, timeout=2)
    except (Unavailable, DeadlineExceeded):
        return False
    return True


async def test_service_that_comes_back() -> None:
    """The channel finds a restarted service by itself, soon."""
    async with open_stack() as stack:
        sign_in("user")
        await stack.users.GetMe(GET_ME)
        await stack.server.stop(0)
        with pytest.raises(Unavailable):
            await stack.users.GetMe(GET_ME)
        async with open_stack(port=stack.port):
            started = time.monotonic()
            while True:
                try:
                    await stack.users.GetMe(GET_ME)
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)

    assert time.monotonic() - started < SLOW_MACHINE_SECONDS


async def test_channels_share_no_connection(stack: Stack) -> None:
    """Channels that share one and check its health crash the process now and then."""
    peers = set()

    async def answer(request: Any, context: Any) -> Any:
        peers.add(context.peer())
        return user_service_pb2.GetMeResponse()

    stack.script.answers["GetMe"] = answer
    sign_in("user")
    await stack.users.GetMe(GET_ME)
    tokens = service_tokens("gateway")
    async with open_channel(f"127.0.0.1:{stack.port}", service_tokens=tokens, services=SERVICES) as channel:
        await user_service_pb2_grpc.UserServiceStub(channel).GetMe(GET_ME)

    assert len(peers) == 2


async def test_deadlines(stack: Stack) -> None:
    """The shortest of what is asked, what is left and the default counts."""

    async def answer(request: Any, context: Any) -> Any:
        await asyncio.sleep(60)

    stack.script.answers["GetMe"] = answer
    started = time.monotonic()
    sign_in("user")
    with pytest.raises(DeadlineExceeded):
        await stack.users.GetMe(GET_ME, timeout=0.1)
    enter(Call(caller=Caller(), bearer_token="user", deadline=time.monotonic() + 0.1))
    with pytest.raises(DeadlineExceeded):
        await stack.users.GetMe(GET_ME, timeout=30)

    assert 0.2 <= time.monotonic() - started < SLOW_MACHINE_SECONDS


async def test_cancelling_the_caller_cancels_the_call(stack: Stack) -> None:
    """A cancelled call's work is not done."""
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def answer(request: Any, context: Any) -> Any:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def call() -> None:
        await stack.users.GetMe(GET_ME)

    stack.script.answers["GetMe"] = answer
    sign_in("user")
    calling = asyncio.create_task(call())
    await begun.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await asyncio.wait_for(cancelled.wait(), WITHIN_SECONDS)


async def test_bytes_in_bytes_out(stack: Stack) -> None:
    """The edge, which compiles its own messages, needs no stubs."""
    sign_in("user")
    call: Any = stack.channel.unary_unary("/vestibule.users.v1.UserService/GetMe")

    assert await call(GET_ME.SerializeToString()) == b""


async def test_calls_outside_of_calls(stack: Stack) -> None:
    """Background work calls as the service alone."""
    health: Any = stack.channel.unary_unary("/vestibule.health.v1.HealthService/GetHealth")

    assert await health(b"") == b""

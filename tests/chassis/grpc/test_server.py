"""A server returns typed errors, keeps deadlines, and stops in order."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
import structlog
from chassis.errors import (
    DeadlineExceeded,
    Kind,
    NotFound,
    RemoteError,
)
from chassis.grpc.call import Call, current_call, enter
from chassis.grpc.server import build_server
from chassis.identity.caller import Caller
from grpc_health.v1 import health_pb2, health_pb2_grpc
from vestibule.users.v1 import user_service_pb2

from tests.chassis.grpc.stack import (
    USER_ID,
    Stack,
    TableAuthenticator,
    open_stack,
    reason,
    sign_in,
)
from tests.fakes.service_keys import proof, service_tokens
from tests.waiting import SLOW_MACHINE_SECONDS

GET_ME = user_service_pb2.GetMeRequest()
OWN = user_service_pb2.GetUserRequest(user_id=str(USER_ID))


async def test_typed_errors_reach_the_caller(stack: Stack) -> None:
    """Reason, details and all."""

    async def answer(request: Any, context: Any) -> Any:
        raise NotFound(details={"what": "user"})

    stack.script.answers["GetUser"] = answer
    sign_in("admin")
    with pytest.raises(RemoteError) as caught:
        await stack.users.GetUser(OWN)

    assert (
        caught.value.kind,
        caught.value.reason,
        caught.value.details,
    ) == (Kind.NOT_FOUND, "NOT_FOUND", {"what": "user"})


async def test_bugs_are_logged_and_not_shown(stack: Stack) -> None:
    """The caller learns that something broke; the log learns what."""

    async def answer(request: Any, context: Any) -> Any:
        raise KeyError("secret sauce")

    stack.script.answers["GetMe"] = answer
    sign_in("user")
    with structlog.testing.capture_logs() as lines, pytest.raises(RemoteError) as caught:
        await stack.users.GetMe(GET_ME)

    assert (caught.value.kind, caught.value.reason) == (Kind.INTERNAL, "INTERNAL")
    assert "sauce" not in str(caught.value.__dict__)
    assert [line["log_level"] for line in lines] == ["error"]
    assert isinstance(lines[0]["exc_info"], KeyError)


async def test_abort_of_a_servicer_passes(stack: Stack) -> None:
    """What a servicer says to gRPC itself is not taken for a bug."""

    async def answer(request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "busy")

    stack.script.answers["GetMe"] = answer
    sign_in("user")

    assert await reason(stack.users.GetMe(GET_ME)) == "UNAVAILABLE"


async def test_own_deadline_where_none_is_set() -> None:
    """No caller can keep a call open for ever."""

    async def answer(request: Any, context: Any) -> Any:
        await asyncio.sleep(60)

    async with open_stack(deadline_seconds=0.05) as stack:
        stack.script.answers["GetMe"] = answer
        async with grpc.aio.insecure_channel(f"127.0.0.1:{stack.port}") as channel:
            call: Any = channel.unary_unary("/vestibule.users.v1.UserService/GetMe")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(
                    b"", metadata=(("authorization", "Bearer user"), *proof("gateway", "user-service"))
                )

    assert grpc.StatusCode.DEADLINE_EXCEEDED is caught.value.code()


async def test_deadline_is_handed_on(stack: Stack) -> None:
    """What is left of a call's time is what its own calls get."""
    left: list[float | None] = []

    async def answer(request: Any, context: Any) -> Any:
        call = current_call()
        left.append(call.remaining_seconds() if call else None)
        return user_service_pb2.GetMeResponse()

    stack.script.answers["GetMe"] = answer
    enter(Call(caller=Caller(), bearer_token="user", deadline=time.monotonic() + 2))
    await stack.users.GetMe(GET_ME)

    assert left[0] is not None
    assert 1.5 < left[0] <= 2.1  # gRPC rounds up


async def test_requests_that_are_too_big(stack: Stack) -> None:
    """Requests larger than any of the API's are not read."""
    sign_in("user")

    assert (
        await reason(stack.users.UpdateMe(user_service_pb2.UpdateMeRequest(full_name="x" * 300_000)))
        == "UNAVAILABLE"
    )


async def test_methods_are_counted_and_timed(stack: Stack) -> None:
    """Rate, errors and duration come by method and code."""
    from prometheus_client import REGISTRY  # noqa: PLC0415

    def count(code: str) -> float:
        labels = {"service": "vestibule.users.v1.UserService", "method": "GetMe", "code": code}
        return REGISTRY.get_sample_value("grpc_server_handled_total", labels) or 0

    before = count("OK"), count("UNAUTHENTICATED")
    await reason(stack.users.GetMe(GET_ME))
    sign_in("user")
    await reason(stack.users.GetMe(GET_ME))

    assert (before[0] + 1, before[1] + 1) == (count("OK"), count("UNAUTHENTICATED"))


async def test_unknown_error_without_deadline_left(stack: Stack) -> None:
    """A call whose time is over is not made."""
    enter(Call(caller=Caller(), bearer_token="user", deadline=time.monotonic() - 1))
    with pytest.raises(DeadlineExceeded):
        await stack.users.GetMe(GET_ME)

    assert stack.script.calls == []


async def watch(stub: Any, service: str) -> AsyncIterator[int]:
    """Yields a service's health as it changes."""
    async for answer in stub.Watch(health_pb2.HealthCheckRequest(service=service)):
        yield answer.status


async def test_health() -> None:
    """Not serving until set, by service and as a whole; watchers see each change and the end."""
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    server = build_server(service_tokens=service_tokens("user-service"), authenticator=TableAuthenticator())
    port = await server.start("127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        seen = watch(stub, "")
        first = await anext(seen)
        server.set_serving(True)
        second = await anext(seen)
        check = await stub.Check(health_pb2.HealthCheckRequest())
        with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
            await stub.Check(health_pb2.HealthCheckRequest(service="unknown"))
        started = time.monotonic()
        await server.stop(60)
        rest = [status async for status in seen]

    assert (not_serving, serving, serving) == (first, second, check.status)
    assert [not_serving] == rest
    assert time.monotonic() - started < SLOW_MACHINE_SECONDS


async def test_calls_in_flight_finish_and_new_ones_are_refused(stack: Stack) -> None:
    """Stopping loses no work that was taken on."""
    begun, finish = asyncio.Event(), asyncio.Event()

    async def answer(request: Any, context: Any) -> Any:
        begun.set()
        await finish.wait()
        return user_service_pb2.GetMeResponse()

    stack.script.answers["GetMe"] = answer
    sign_in("user")
    in_flight = asyncio.create_task(reason(stack.users.GetMe(GET_ME)))
    await begun.wait()
    stopping = asyncio.create_task(stack.server.stop(5))
    await asyncio.sleep(0.1)
    late = await reason(stack.users.DeleteMe(user_service_pb2.DeleteMeRequest(password="x")))
    finish.set()
    await stopping

    assert (await in_flight, late) == ("OK", "UNAVAILABLE")

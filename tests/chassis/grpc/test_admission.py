"""Who is let in, and what is believed of what they say: the access rules of the protos."""

from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import pytest
from chassis.errors import (
    Kind,
    RemoteError,
)
from chassis.grpc.admission import compile_admission
from chassis.grpc.call import SERVICE_IDENTITY_KEY, Call, current_call, enter
from chassis.grpc.policy import method_policy
from chassis.identity.caller import Caller, current_caller
from chassis.identity.service_keys import ServiceKeys
from chassis.identity.service_tokens import ServiceTokens
from vestibule.health.v1 import health_service_pb2
from vestibule.users.v1 import directory_service_pb2, user_service_pb2

from tests.chassis.grpc.stack import ADMIN_ID, USER_ID, Stack, TableAuthenticator, open_stack, reason, sign_in
from tests.fakes.service_keys import proof, service_keys, service_tokens

GET_ME = user_service_pb2.GetMeRequest()
OWN = user_service_pb2.GetUserRequest(user_id=str(USER_ID))
OTHER = user_service_pb2.GetUserRequest(user_id=str(ADMIN_ID))
MALFORMED = user_service_pb2.GetUserRequest(user_id="no id")
ADMIT = directory_service_pb2.AdmitUserRequest(user_id=str(USER_ID))


@pytest.mark.parametrize(
    ("token", "get_me", "get_own", "get_other", "list_users"),
    [
        ("", "UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED"),
        ("forged", "TOKEN_INVALID", "TOKEN_INVALID", "TOKEN_INVALID", "TOKEN_INVALID"),
        ("user", "OK", "OK", "FORBIDDEN", "FORBIDDEN"),
        ("admin", "OK", "OK", "OK", "OK"),
    ],
)
async def test_access(
    stack: Stack, token: str, get_me: str, get_own: str, get_other: str, list_users: str
) -> None:
    """Each kind of access admits the callers that it names and no others."""
    sign_in(token)

    assert get_me == await reason(stack.users.GetMe(GET_ME))
    assert get_own == await reason(stack.users.GetUser(OWN))
    assert get_other == await reason(stack.users.GetUser(OTHER))
    assert list_users == await reason(stack.users.ListUsers(user_service_pb2.ListUsersRequest()))


async def test_public_methods_recognise_a_good_token_and_ignore_a_bad_one(stack: Stack) -> None:
    """A stale cookie jar must not lock users out of a public page."""
    seen: list[Caller] = []

    async def answer(request: Any, context: Any) -> Any:
        seen.append(current_caller())
        return health_service_pb2.GetHealthResponse()

    stack.script.answers["GetHealth"] = answer
    for token in ("", "forged", "user"):
        sign_in(token)
        await stack.health.GetHealth(health_service_pb2.GetHealthRequest())

    assert [caller.user_id for caller in seen] == [None, None, USER_ID]


@pytest.mark.parametrize(
    ("service", "expected"), [("auth-service", "OK"), ("gateway", "FORBIDDEN"), ("", "FORBIDDEN")]
)
async def test_service_methods(service: str, expected: str) -> None:
    """Only the services that the policy names may call, whatever user they act for."""
    async with open_stack(service=service) as stack:
        sign_in("admin")

        assert expected == await reason(stack.directory.AdmitUser(ADMIT))


async def test_service_token_of_another_key_proves_nothing(stack: Stack) -> None:
    """A token signed by another key than its service's is not accepted."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stack.port}") as channel:
        call: Any = channel.unary_unary("/vestibule.users.v1.DirectoryService/AdmitUser")
        gateways = service_keys("gateway")
        stranger = ServiceTokens(ServiceKeys("auth-service", gateways.private_key, {})).mint("user-service")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(ADMIT.SerializeToString(), metadata=((SERVICE_IDENTITY_KEY, stranger),))

    assert grpc.StatusCode.PERMISSION_DENIED is caught.value.code()


@pytest.mark.parametrize(
    ("service", "audience", "expected"),
    [
        ("gateway", "user-service", "OK"),
        ("gateway", "auth-service", "PERMISSION_DENIED"),
        ("auth-service", "user-service", "PERMISSION_DENIED"),
        ("health-aggregator", "user-service", "PERMISSION_DENIED"),
        ("", "", "PERMISSION_DENIED"),
    ],
)
async def test_what_has_a_route_is_the_gateways_to_call(
    stack: Stack, service: str, audience: str, expected: str
) -> None:
    """Only the gateway may call methods with a route, so that its limits cannot be bypassed."""
    metadata: list[tuple[str, str]] = [("authorization", "Bearer user")]
    metadata += proof(service, audience) if service else ()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stack.port}") as channel:
        call: Any = channel.unary_unary("/vestibule.users.v1.UserService/GetMe")
        try:
            await call(b"", metadata=metadata)
            answered = "OK"
        except grpc.aio.AioRpcError as error:
            answered = error.code().name

    assert answered == expected


async def test_scopes_limit_a_key(stack: Stack) -> None:
    """A key for reading reads, one for writing writes, and no key does what asks for a session."""
    update, delete = user_service_pb2.UpdateMeRequest(), user_service_pb2.DeleteMeRequest(password="p")
    sign_in("reader")
    read = [await reason(stack.users.GetMe(GET_ME)), await reason(stack.users.UpdateMe(update))]
    sign_in("writer")
    written = [
        await reason(stack.users.GetMe(GET_ME)),
        await reason(stack.users.UpdateMe(update)),
        await reason(stack.users.DeleteMe(delete)),
    ]

    assert read == ["OK", "FORBIDDEN"]
    assert written == ["FORBIDDEN", "OK", "FORBIDDEN"]
    assert stack.script.calls == ["GetMe", "UpdateMe"]


async def test_refused_keys_are_reported(stack: Stack) -> None:
    """With who sent them; a session that may not is nothing to report."""
    enter(Call(caller=Caller(client_address="203.0.113.7", request_id="r-1"), bearer_token="reader"))
    await reason(stack.users.UpdateMe(user_service_pb2.UpdateMeRequest()))
    sign_in("user")
    await reason(stack.users.ListUsers(user_service_pb2.ListUsersRequest()))
    ((method, sender),) = stack.authenticator.reported

    assert method == "/vestibule.users.v1.UserService/UpdateMe"
    assert (sender.client_address, sender.request_id, sender.service) == ("203.0.113.7", "r-1", "gateway")


async def test_public_methods_ignore_a_key_without_their_scope(stack: Stack) -> None:
    """It is treated as unauthenticated; between services, scopes are not checked again."""
    seen: list[Caller] = []

    async def answer(request: Any, context: Any) -> Any:
        seen.append(current_caller())
        return health_service_pb2.GetHealthResponse()

    async def admit(request: Any, context: Any) -> Any:
        seen.append(current_caller())
        return directory_service_pb2.AdmitUserResponse()

    stack.script.answers["GetHealth"] = answer
    for token in ("reader", "writer"):
        sign_in(token)
        await stack.health.GetHealth(health_service_pb2.GetHealthRequest())
    assert [caller.user_id for caller in seen] == [USER_ID, None]

    async with open_stack(service="auth-service") as internal:
        internal.script.answers["AdmitUser"] = admit
        sign_in("reader")
        await internal.directory.AdmitUser(ADMIT)
    assert seen[-1].user_id == USER_ID


async def test_authorized_before_validated_and_validated_before_answered(stack: Stack) -> None:
    """Who may not ask learns nothing about what a good question is."""
    assert await reason(stack.users.GetUser(MALFORMED)) == "UNAUTHENTICATED"
    sign_in("user")
    assert await reason(stack.users.GetUser(MALFORMED)) == "FORBIDDEN"
    sign_in("admin")
    with pytest.raises(RemoteError) as caught:
        await stack.users.GetUser(MALFORMED)

    assert (
        caught.value.field_errors[0].field,
        caught.value.field_errors[0].message,
    ) == ("user_id", "not a UUID")
    assert stack.script.calls == []


async def test_bytes_that_are_no_message(stack: Stack) -> None:
    """Garbage is the client's fault, not ours."""
    sign_in("admin")
    call: Any = stack.channel.unary_unary("/vestibule.users.v1.UserService/GetUser")
    with pytest.raises(RemoteError) as caught:
        await call(b"\xff\xff\xff\xff")

    assert caught.value.kind is Kind.INVALID


async def test_who_is_calling(stack: Stack) -> None:
    """A service's word about the client counts together with its token."""
    seen: list[tuple[Caller, Call | None]] = []

    async def answer(request: Any, context: Any) -> Any:
        seen.append((current_caller(), current_call()))
        return user_service_pb2.GetMeResponse()

    stack.script.answers["GetMe"] = answer
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    caller = Caller(client_address="203.0.113.7", user_agent="Mozilla/5.0 (ü)", request_id="r-1")
    enter(Call(caller=caller, bearer_token="user", traceparent=traceparent))
    await stack.users.GetMe(GET_ME)
    caller, call = seen[0]

    assert (caller.user_id, caller.role, caller.service) == (USER_ID, "user", "gateway")
    assert (
        caller.client_address,
        caller.user_agent,
        caller.request_id,
    ) == ("203.0.113.7", "Mozilla/5.0 (?)", "r-1")
    assert call is not None
    assert ("user", traceparent) == (call.bearer_token, call.traceparent)


async def test_word_of_a_stranger_about_itself() -> None:
    """Where strangers may call, without a service token the address is the peer's and the id is new."""
    declared = method_policy(
        user_service_pb2.DESCRIPTOR.services_by_name["UserService"].methods_by_name["GetMe"]
    )
    admit = compile_admission(
        replace(declared, services=None), service_tokens("user-service"), TableAuthenticator()
    )
    lies = (
        ("authorization", "Bearer user"),
        ("vestibule-client-address", "203.0.113.7"),
        ("vestibule-user-agent", "liar"),
        ("x-request-id", "chosen"),
    )
    caller = (await admit(lies, lambda: "ipv4:127.0.0.1:4711", None)).caller

    assert (caller.service, caller.client_address, caller.user_agent) == (None, "127.0.0.1", "")
    assert caller.request_id not in ("", "chosen")

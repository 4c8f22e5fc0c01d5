"""A small stack on loopback: one server, one channel, and responses that a test sets."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from chassis.errors import ServiceError, TokenInvalid
from chassis.grpc.call import Call, enter
from chassis.grpc.channel import ServiceChannel, open_channel
from chassis.grpc.server import GrpcServer, build_server
from chassis.identity.caller import Caller
from chassis.identity.claims import Claims
from chassis.identity.role import Role
from chassis.ids import uuid7
from google.protobuf.empty_pb2 import Empty
from vestibule.health.v1 import health_service_pb2, health_service_pb2_grpc
from vestibule.users.v1 import (
    directory_service_pb2,
    directory_service_pb2_grpc,
    user_service_pb2,
    user_service_pb2_grpc,
)

from tests.fakes.service_keys import service_tokens

USER_ID = UUID("01890000-0000-7000-8000-000000000001")
ADMIN_ID = UUID("01890000-0000-7000-8000-000000000002")

SERVICES = (
    user_service_pb2.DESCRIPTOR.services_by_name["UserService"],
    directory_service_pb2.DESCRIPTOR.services_by_name["DirectoryService"],
    health_service_pb2.DESCRIPTOR.services_by_name["HealthService"],
)


def claims_of(
    user_id: UUID, role: Role, scopes: frozenset[str] | None = None, *, proved_seconds_ago: float = 0
) -> Claims:
    """Returns claims as an authenticator would: of an API key when there are scopes."""
    return Claims(
        user_id=user_id,
        role=role,
        session_id=uuid7() if scopes is None else None,
        token_id=uuid7(),
        expires_at=4e9,
        issued_at_milliseconds=0,
        scopes=scopes,
        auth_time=0 if scopes is not None else int(time.time() - proved_seconds_ago),
    )


@dataclass
class TableAuthenticator:
    """Knows some tokens by heart, and counts how often it is asked."""

    tokens: dict[str, Claims] = field(
        default_factory=lambda: {
            "user": claims_of(USER_ID, Role.USER),
            "admin": claims_of(ADMIN_ID, Role.ADMIN),
            "reader": claims_of(USER_ID, Role.USER, frozenset({"read"})),
            "writer": claims_of(ADMIN_ID, Role.ADMIN, frozenset({"write"})),
            "director": claims_of(ADMIN_ID, Role.ADMIN, frozenset({"read", "write", "admin"})),
            "stale user": claims_of(USER_ID, Role.USER, proved_seconds_ago=301),
            "stale admin": claims_of(ADMIN_ID, Role.ADMIN, proved_seconds_ago=301),
            "aging admin": claims_of(ADMIN_ID, Role.ADMIN, proved_seconds_ago=290),
            "admin of the release before": replace(claims_of(ADMIN_ID, Role.ADMIN), auth_time=0),
        }
    )
    asked: int = 0
    reported: list[tuple[str, Caller]] = field(default_factory=list)

    async def authenticate(self, token: str) -> Claims:
        """Looks the token up."""
        self.asked += 1
        if token not in self.tokens:
            raise TokenInvalid
        return self.tokens[token]

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Notes what a key was refused."""
        assert claims.scopes is not None
        self.reported.append((method, sender))


Answer = Callable[[Any, Any], Awaitable[Any]]


@dataclass
class Script:
    """What the services answer, by method name, and how often they were asked."""

    answers: dict[str, Answer] = field(default_factory=dict)
    streams: dict[str, Callable[[Any, Any], AsyncIterator[Any]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    async def play(self, name: str, request: Any, context: Any, default: Any) -> Any:
        """Answers one call."""
        self.calls.append(name)
        answer = self.answers.get(name)
        return default if answer is None else await answer(request, context)


class Users(user_service_pb2_grpc.UserServiceServicer):
    """UserService by script."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def GetMe(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._script.play("GetMe", request, context, user_service_pb2.GetMeResponse())

    async def UpdateMe(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._script.play("UpdateMe", request, context, user_service_pb2.UpdateMeResponse())

    async def DeleteMe(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._script.play("DeleteMe", request, context, Empty())

    async def ListUsers(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._script.play("ListUsers", request, context, user_service_pb2.ListUsersResponse())

    async def GetUser(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._script.play("GetUser", request, context, user_service_pb2.GetUserResponse())

    async def UpdateUser(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._script.play("UpdateUser", request, context, user_service_pb2.UpdateUserResponse())

    async def DeleteUser(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._script.play("DeleteUser", request, context, Empty())


class Directory(directory_service_pb2_grpc.DirectoryServiceServicer):
    """DirectoryService by script."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def AdmitUser(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = directory_service_pb2.AdmitUserResponse()
        return await self._script.play("AdmitUser", request, context, answer)

    async def GetAccount(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = directory_service_pb2.GetAccountResponse()
        return await self._script.play("GetAccount", request, context, answer)

    async def RecordSignIn(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = directory_service_pb2.RecordSignInResponse()
        return await self._script.play("RecordSignIn", request, context, answer)


class Health(health_service_pb2_grpc.HealthServiceServicer):
    """HealthService with scripted responses: the stack's only stream."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def GetHealth(self, request: Any, context: Any) -> Any:  # noqa: N802
        answer = health_service_pb2.GetHealthResponse()
        return await self._script.play("GetHealth", request, context, answer)

    async def GetStatusPage(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def StreamHealth(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self._script.calls.append("StreamHealth")
        async for message in self._script.streams["StreamHealth"](request, context):
            yield message


@dataclass
class Stack:
    """A running server and a channel to it."""

    script: Script
    authenticator: TableAuthenticator
    server: GrpcServer
    port: int
    channel: ServiceChannel
    users: user_service_pb2_grpc.UserServiceStub
    directory: directory_service_pb2_grpc.DirectoryServiceStub
    health: health_service_pb2_grpc.HealthServiceStub


@asynccontextmanager
async def open_stack(
    *, host: str = "127.0.0.1", port: int = 0, service: str = "gateway", deadline_seconds: float = 5.0
) -> AsyncIterator[Stack]:
    """Opens a stack whose channel calls as `service`."""
    script, authenticator = Script(), TableAuthenticator()
    server = build_server(
        service_tokens=service_tokens("user-service"),
        authenticator=authenticator,
        deadline_seconds=deadline_seconds,
    )
    server.add(user_service_pb2_grpc.add_UserServiceServicer_to_server, Users(script))  # type: ignore[abstract]
    server.add(directory_service_pb2_grpc.add_DirectoryServiceServicer_to_server, Directory(script))  # type: ignore[abstract]
    server.add(health_service_pb2_grpc.add_HealthServiceServicer_to_server, Health(script))  # type: ignore[abstract]
    port = await server.start(f"{host}:{port}")
    server.set_serving(True)
    channel = open_channel(f"{host}:{port}", service_tokens=service_tokens(service), services=SERVICES)
    try:
        yield Stack(
            script=script,
            authenticator=authenticator,
            server=server,
            port=port,
            channel=channel,
            users=user_service_pb2_grpc.UserServiceStub(channel),
            directory=directory_service_pb2_grpc.DirectoryServiceStub(channel),
            health=health_service_pb2_grpc.HealthServiceStub(channel),
        )
    finally:
        await channel.close()
        await server.stop(0)


def sign_in(token: str) -> None:
    """Makes the calls of this test carry a bearer token."""
    enter(Call(caller=Caller(), bearer_token=token))


async def reason(answer: Any) -> str:
    """Returns the reason of a refusal, or OK."""
    try:
        await answer
    except ServiceError as error:
        return error.reason
    return "OK"

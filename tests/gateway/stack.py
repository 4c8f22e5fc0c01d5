"""The gateway in this process, with small but real services behind it."""

# ruff: noqa: N802 - servicers bear the names of RPCs

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
from chassis.auth_client.client import AUTH_SERVICE
from chassis.errors import NotFound, ServiceError
from chassis.events import heartbeat, stream
from chassis.grpc import committed
from chassis.grpc.server import GrpcServer, build_server
from chassis.identity.caller import Caller, current_caller
from chassis.identity.claims import Claims
from chassis.identity.role import Role
from chassis.lifecycle import Lifecycle, Stop
from chassis.redis_connection import FAILURES, open_connection
from devstack.valkey import Valkey
from gateway.settings import GatewaySettings
from vestibule.events.v1.events_pb2 import Event
from vestibule.health.v1 import health_service_pb2
from vestibule.health.v1.health_service_pb2_grpc import (
    HealthServiceServicer,
    add_HealthServiceServicer_to_server,
)
from vestibule.users.v1 import user_pb2, user_service_pb2
from vestibule.users.v1.user_service_pb2_grpc import UserServiceServicer, add_UserServiceServicer_to_server

from gateway import wiring
from tests.fakes.service_keys import key_settings, service_keys, service_tokens
from tests.user_service.auth_stand_in import AUDIENCE, ISSUER, AuthStandIn
from tests.waiting import SLOW_MACHINE_SECONDS, WITHIN_SECONDS


@dataclass
class FakeUpstream:
    """What the services that the gateway calls hold and have seen.

    Attributes:
        names: Full name of each user, by id.
        calls: Names of the methods called, in order.
        callers: Who called, as the service saw it.
        failure: What every call fails with; None when all is well.
        answering: Cleared to keep calls waiting.
        changes: What StreamHealth sends next: a component's name, an error, or None to end.
        listeners: How many calls of StreamHealth are open.
        status: What GetHealth says.
        flood: Whether StreamHealth sends as fast and as long as it is let.
        flooded: How many messages it has sent so; -1 once it was stopped.
    """

    names: dict[UUID, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    callers: list[Any] = field(default_factory=list)
    failure: ServiceError | None = None
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    changes: "asyncio.Queue[str | ServiceError | None]" = field(default_factory=asyncio.Queue)
    listeners: int = 0
    status: health_service_pb2.Status.ValueType = health_service_pb2.STATUS_HEALTHY
    flood: bool = False
    flooded: int = 0

    async def seen(self, method: str) -> None:
        """Notes a call, and answers it when it may be answered."""
        self.calls.append(method)
        self.callers.append(current_caller())
        await self.answering.wait()
        if self.failure is not None:
            raise self.failure

    def user(self, user_id: UUID) -> user_pb2.User:
        """Returns a user."""
        if user_id not in self.names:
            raise NotFound
        name = self.names[user_id]
        return user_pb2.User(
            id=str(user_id),
            email="ada@example.com",
            full_name=name,
            role=user_pb2.ROLE_USER,
            etag=f'"{name}"',
        )


class Users(UserServiceServicer):
    """Users."""

    def __init__(self, upstream: FakeUpstream) -> None:
        self._upstream = upstream

    async def GetMe(self, request: Any, context: Any) -> user_service_pb2.GetMeResponse:
        await self._upstream.seen("GetMe")
        return user_service_pb2.GetMeResponse(user=self._upstream.user(current_caller().require_user_id()))

    async def UpdateMe(self, request: Any, context: Any) -> user_service_pb2.UpdateMeResponse:
        await self._upstream.seen("UpdateMe")
        user_id = current_caller().require_user_id()
        self._upstream.names[user_id] = request.full_name
        committed.note(Event(tags=[f"user:{user_id}"]))
        return user_service_pb2.UpdateMeResponse(user=self._upstream.user(user_id))

    async def GetUser(self, request: Any, context: Any) -> user_service_pb2.GetUserResponse:
        await self._upstream.seen("GetUser")
        return user_service_pb2.GetUserResponse(user=self._upstream.user(UUID(request.user_id)))

    async def ListUsers(self, request: Any, context: Any) -> user_service_pb2.ListUsersResponse:
        await self._upstream.seen(f"ListUsers {request.page} {request.page_size} {request.sort}")
        answer = user_service_pb2.ListUsersResponse(
            users=[self._upstream.user(each) for each in self._upstream.names]
        )
        answer.pagination.page = request.page
        answer.pagination.total_items = 2**40
        return answer


class Health(HealthServiceServicer):
    """The state of the system."""

    def __init__(self, upstream: FakeUpstream) -> None:
        self._upstream = upstream

    async def GetHealth(self, request: Any, context: Any) -> health_service_pb2.GetHealthResponse:
        await self._upstream.seen("GetHealth")
        return health_service_pb2.GetHealthResponse(status=self._upstream.status)

    async def StreamHealth(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self._upstream.listeners += 1
        try:
            async for message in self._stream(request):
                yield message
        finally:
            self._upstream.listeners -= 1

    async def _stream(self, request: Any) -> AsyncIterator[Any]:
        await self._upstream.seen(f"StreamHealth {request.last_event_id}")
        yield health_service_pb2.StreamHealthResponse(
            event_id="1", state=health_service_pb2.GetHealthResponse(status=self._upstream.status)
        )
        number = 1
        try:
            while self._upstream.flood:
                self._upstream.flooded += 1
                change = health_service_pb2.ComponentChange(name="n" * 1024)
                yield health_service_pb2.StreamHealthResponse(event_id="2", change=change)
        finally:
            self._upstream.flooded = -1
        while True:
            name = await self._upstream.changes.get()
            if name is None:
                return
            if isinstance(name, ServiceError):
                raise name
            number += 1
            change = health_service_pb2.ComponentChange(name=name, state=health_service_pb2.STATE_DOWN)
            yield health_service_pb2.StreamHealthResponse(event_id=str(number), change=change)


class _VerifyingAuthenticator:
    """The service's authenticator: believes what the gateway has let through, but reads the token itself."""

    async def authenticate(self, token: str) -> Claims:
        import jwt  # noqa: PLC0415

        claims = jwt.decode(token, options={"verify_signature": False})
        return Claims.of_access_token(
            user_id=UUID(claims["sub"]),
            role=Role(claims["role"]),
            session_id=UUID(claims["sid"]),
            token_id=UUID(claims["jti"]),
            expires_at=claims["exp"],
            auth_time=claims.get("auth_time", 0),
        )

    async def report_refusal(self, claims: Claims, method: str, sender: Caller) -> None:
        """Does nothing."""


def _concrete(servicer: Any) -> Any:
    """Lets the methods that a stand-in has not written answer UNIMPLEMENTED."""
    servicer.__abstractmethods__ = frozenset()
    return servicer


@asynccontextmanager
async def serving_users(upstream: FakeUpstream) -> AsyncIterator[str]:
    """Runs the services that the gateway calls; yields their address."""
    server: GrpcServer = build_server(
        service_tokens=service_tokens("user-service"), authenticator=_VerifyingAuthenticator()
    )
    # Methods that no test calls stay abstract.
    users: Any = Users
    health: Any = Health
    server.add(add_UserServiceServicer_to_server, _concrete(users)(upstream))
    server.add(add_HealthServiceServicer_to_server, _concrete(health)(upstream))
    port = await server.start("127.0.0.1:0")
    server.set_serving(True)
    upstream.answering.set()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        upstream.answering.set()
        await server.stop(0)


def settings(auth: AuthStandIn, users: str, valkey: Valkey, **further: Any) -> GatewaySettings:
    """Returns the settings of a gateway before these services."""
    given: dict[str, Any] = {
        "port": 0,
        "upstreams": {
            "vestibule.auth.v1": {"address": auth.address},
            "vestibule.users.v1": {"address": users},
            "vestibule.health.v1": {"address": users},
        },
        **key_settings("gateway"),
        "REDIS_URL": valkey.url,
        "TOKEN_ISSUER": ISSUER,
        "TOKEN_AUDIENCE": AUDIENCE,
        **further,
    }
    return GatewaySettings(**given)


@dataclass(frozen=True)
class Gateway:
    """A running gateway.

    Attributes:
        http: An HTTP client of it.
        lifecycle: Its lifecycle.
    """

    http: httpx.AsyncClient
    lifecycle: Lifecycle


@asynccontextmanager
async def serving_gateway(given: GatewaySettings) -> AsyncIterator[Gateway]:
    """Runs a gateway until the end of the block."""
    lifecycle = Lifecycle("gateway")
    lifecycle.begin("heartbeat of auth-service", _beating(given.redis_url.get_secret_value()))
    try:
        with pytest.MonkeyPatch.context() as patch:
            # A busy machine is slow to ask Redis, and a connection given up for that is not closed in time.
            patch.setattr(wiring, "LIMITER_TIMEOUT_SECONDS", SLOW_MACHINE_SECONDS)
            address = await wiring.start(lifecycle, given)
        lifecycle.readiness.set("started", ok=True)
        async with asyncio.timeout(WITHIN_SECONDS):
            while not lifecycle.readiness.ready:  # noqa: ASYNC110 readiness is a snapshot, without events
                await asyncio.sleep(0.01)
        # Reading the machine's certificates, which no test here needs, would take longer than most tests.
        async with httpx.AsyncClient(
            base_url=f"http://{address}", timeout=WITHIN_SECONDS, verify=False
        ) as client:
            yield Gateway(client, lifecycle)
    finally:
        await lifecycle.drain(Stop(0, 0, 1))
        await lifecycle.close()


async def _beating(redis_url: str) -> None:
    """Sends the heartbeats of auth-service's relay, also after a time without Redis."""
    while True:
        with suppress(*FAILURES):
            async with open_connection(
                redis_url, timeout_seconds=5, client_name="auth-service-relay"
            ) as redis:
                while True:
                    now, _ = await stream.look(redis, None)
                    await heartbeat.send(redis, service_keys(AUTH_SERVICE), now)
                    await asyncio.sleep(heartbeat.INTERVAL_SECONDS)
        await asyncio.sleep(heartbeat.INTERVAL_SECONDS)


def bearer(token: str, **headers: str) -> Mapping[str, str]:
    """Returns headers with a token."""
    return {"Authorization": f"Bearer {token}", **headers}

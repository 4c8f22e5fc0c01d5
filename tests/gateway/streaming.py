"""Gateways in this process before the echo service, and what tests of streams need besides."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from chassis.events import stream
from chassis.ids import uuid7
from devstack.valkey import Valkey
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from vestibule.events.v1.events_pb2 import Event, TokensRevoked
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.fakes.echo_service import PACKAGE, EchoService, serve_echo, write_descriptors
from tests.fakes.service_keys import entry_of, key_settings
from tests.gateway.stack import Gateway, serving_gateway
from tests.user_service.auth_stand_in import AUDIENCE, ISSUER, AuthStandIn

TALK = "/api/echo/rooms/blue/talk"


@dataclass
class Echo:
    """An echo service and the gateways before it.

    Attributes:
        service: What the service has seen.
        gateways: The gateways.
        auth: What signs tokens.
        valkey: What carries revocations and slots.
    """

    service: EchoService
    gateways: list[Gateway]
    auth: AuthStandIn
    valkey: Valkey
    server: Any
    server_address: str

    @property
    def http(self) -> Any:
        """A client of the first gateway."""
        return self.gateways[0].http

    def url(self, path: str = TALK, *, gateway: int = 0) -> str:
        """Returns the address of a WebSocket."""
        return str(self.gateways[gateway].http.base_url).replace("http", "ws").rstrip("/") + path

    def token(
        self, *, user_id: UUID | None = None, session_id: UUID | None = None, seconds: int = 900
    ) -> str:
        """Returns an access token."""
        now = time.time()
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id or uuid7()),
            "sid": str(session_id or uuid7()),
            "jti": str(uuid7()),
            "role": "user",
            "iat": int(now),
            "exp": int(now) + seconds,
            "auth_time": int(now),
            "amr": ["pwd"],
        }
        return jwt.encode(claims, self.auth.key, "ES256", headers={"kid": "k1"})

    def talk(
        self, token: str | None = None, path: str = TALK, *, gateway: int = 0, **options: Any
    ) -> connect:
        """Opens a WebSocket, signed in unless the token is empty."""
        token = self.token() if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        return connect(
            self.url(path, gateway=gateway),
            additional_headers=headers,
            compression=None,
            proxy=None,
            **options,
        )

    async def revoke(self, *, session_id: str = "", user_id: str = "") -> None:
        """Has auth-service say that tokens are revoked."""
        revoked = revocation(session_id=session_id, user_id=user_id)
        async with Redis.from_url(self.valkey.url) as redis:
            await redis.xadd(stream.STREAM, entry_of(Event(tokens_revoked=revoked), "auth-service"))


def revocation(*, session_id: str = "", user_id: str = "") -> TokensRevoked:
    """Returns the revocation of a session's or a user's tokens until now."""
    now = time.time_ns() // 1_000_000
    return TokensRevoked(
        session_id=session_id,
        user_id=user_id,
        issued_until_milliseconds=now,
        expires_at_milliseconds=now + 900_000,
    )


@asynccontextmanager
async def serving_echo(
    auth: AuthStandIn, valkey: Valkey, descriptors: Path, *, gateways: int = 1, **settings: Any
) -> AsyncIterator[Echo]:
    """Runs an echo service and gateways before it."""
    from gateway.settings import GatewaySettings  # noqa: PLC0415

    service = EchoService()
    server, address = await serve_echo(service)
    upstreams = {"vestibule.auth.v1": {"address": auth.address}, PACKAGE: {"address": address}}
    given: dict[str, Any] = {
        "port": 0,
        "upstreams": upstreams,
        "descriptors": str(descriptors),
        **key_settings("gateway"),
        "REDIS_URL": valkey.url,
        "TOKEN_ISSUER": ISSUER,
        "TOKEN_AUDIENCE": AUDIENCE,
        "cors_origins": "https://app.example",
        "rate_limits": "off",
        **settings,
    }
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop, 0)
        running = [
            await stack.enter_async_context(serving_gateway(GatewaySettings(**given)))
            for _ in range(gateways)
        ]
        echo = Echo(service, running, auth, valkey, server, address)
        yield echo


@asynccontextmanager
async def serving_bounded_echo(
    monkeypatch: pytest.MonkeyPatch, auth: AuthStandIn, valkey: Valkey, descriptors: Path, **bounds: Any
) -> AsyncIterator[Echo]:
    """Runs an echo service and one gateway whose streams have other bounds than their protos declare."""
    from gateway.streams.bounds import bounds_of  # noqa: PLC0415

    from gateway import stream_endpoints  # noqa: PLC0415

    monkeypatch.setattr(stream_endpoints, "bounds_of", lambda policy: replace(bounds_of(policy), **bounds))
    async with serving_echo(auth, valkey, descriptors) as echo:
        yield echo


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Reads until the gateway has closed; returns the code and the reason."""
    try:
        while True:
            await socket.recv()
    except ConnectionClosed:
        return socket.close_code or 0, socket.close_reason or ""


def echo_descriptors(folder: Path) -> Path:
    """Returns the echo service's descriptor set, which is written once."""
    path = folder / "echo.binpb"
    if not path.exists():
        write_descriptors(path)
    return path


def opened(method: str = "Talk") -> float:
    """Returns how many streams the gateway says are open."""
    return REGISTRY.get_sample_value("gateway_streams_open", {"method": method}) or 0.0


async def refused(opening: Any) -> tuple[int, str]:
    """Returns the status and code by which a handshake was refused."""
    with pytest.raises(InvalidStatus) as refusal:
        await opening.__aenter__()
    response = refusal.value.response
    return response.status_code, json.loads(response.body)["error"]["code"]

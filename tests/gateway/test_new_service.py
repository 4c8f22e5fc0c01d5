"""A service that the gateway does not know is served by settings alone."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from chassis.identity.role import Role
from chassis.ids import uuid7
from devstack.ports import free_port
from devstack.valkey import Valkey
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.fakes.echo_service import PACKAGE, EchoService, serve_echo
from tests.fakes.service_keys import key_settings
from tests.gateway.stack import bearer
from tests.user_service.auth_stand_in import AUDIENCE, ISSUER, AuthStandIn


@pytest.fixture(name="echo_address")
async def _echo_address() -> AsyncIterator[str]:
    """The service itself: plain gRPC, without a line of ours."""
    server, address = await serve_echo(EchoService())
    yield address
    await server.stop(0)


@pytest.fixture(name="gateway")
def _gateway(
    auth: AuthStandIn, echo_address: str, descriptors: Path, valkey: Valkey, tmp_path: Path
) -> Iterator[str]:
    """`python -m gateway` as it is shipped, configured with the service by two settings."""
    port = free_port()
    upstreams = {"vestibule.auth.v1": {"address": auth.address}, PACKAGE: {"address": echo_address}}
    environment = {
        "GATEWAY_PORT": str(port),
        "GATEWAY_UPSTREAMS": json.dumps(upstreams),
        "GATEWAY_DESCRIPTORS": str(descriptors),
        **key_settings("gateway"),
        "REDIS_URL": valkey.url,
        "TOKEN_ISSUER": ISSUER,
        "TOKEN_AUDIENCE": AUDIENCE,
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "gateway"], env=environment, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        assert process.wait(20) == 0, (tmp_path / "log").read_text()


async def test_echo_is_at_the_edge(gateway: str, auth: AuthStandIn) -> None:
    """Route, access, constraints, enums, maps, times and documentation come out of its descriptors."""
    async with httpx.AsyncClient(base_url=gateway, timeout=60) as client:
        async with asyncio.timeout(20):
            while not await _ready(client):  # noqa: ASYNC110 another process has no event for us
                await asyncio.sleep(0.05)
        body = {"times": 2, "tone": "loud", "notes": {"a": 1.5}, "since": "2026-11-23T10:00:00+01:00"}
        said = await client.post("/api/echo/hello", json=body)
        wrong = await client.post("/api/echo/a-long-word", json={"times": 9, "tone": "shrill"})
        stranger = await client.get("/api/echo/who")
        known = await client.get(
            "/api/echo/who", headers=bearer(auth.token(uuid7(), Role.USER), **{"X-Request-ID": "me"})
        )
        paths = (await client.get("/openapi.json")).json()["paths"]
        absent = await client.get("/api/users/me")

    headers = bearer(auth.token(uuid7(), Role.USER))
    address = gateway.replace("http", "ws") + "/api/echo/rooms/blue/talk"
    async with connect(address, additional_headers=headers, compression=None, proxy=None) as socket:
        await socket.send(b"sound" * 1000)
        assert await socket.recv() == b"sound" * 1000
        await socket.send("{")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert (socket.close_code, socket.close_reason) == (1007, "INVALID_JSON")
    async with httpx.AsyncClient(base_url=gateway, timeout=60) as client:
        counted = await client.post("/api/echo/count", json={"until": 2}, headers=headers)

    assert counted.text.count("event: number") == 2
    assert said.status_code == 201
    assert said.json()["data"] == {
        "words": ["hello", "hello"],
        "tone": "loud",
        "notes": {"a": 1.5},
        "since": "2026-11-23T09:00:00.000Z",
    }
    assert wrong.status_code == 422
    assert {each["field"] for each in wrong.json()["error"]["details"]["errors"]} == {"word", "times", "tone"}
    assert stranger.status_code == 401
    assert known.json()["data"] == {"request_id": "me"}
    assert paths["/api/echo/{word}"]["post"]["description"] == "Says a word back, as often as asked."
    assert absent.status_code == 404, "a service whose address is not set is not served"


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/ready")).status_code == httpx.codes.OK
    except httpx.ConnectError:
        return False


def test_a_service_that_is_not_served_is_not_loaded() -> None:
    """The protos of an optional service that is off cost the gateway nothing."""
    script = (
        "import sys; from gateway.api import descriptors;"
        "protos = descriptors.load((), lambda name: 'knowledge' not in name);"
        "assert protos.services and not [each for each in sys.modules if 'knowledge' in each]"
    )

    subprocess.run([sys.executable, "-c", script], check=True)

"""A service that the gateway has never heard of appears at the edge by settings alone."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import pytest
from chassis.ids import uuid7
from devstack.program import free_port
from devstack.valkey import Valkey
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from user_service.domain.user import Role

from tests.fakes.service_keys import key_settings
from tests.gateway.house import bearer
from tests.user_service.auth_stand_in import AUDIENCE, ISSUER, AuthStandIn

HERE = Path(__file__).parent
PROTOS = HERE.parents[1] / "protos"
PACKAGE = "example.echo.v1"


@pytest.fixture(scope="session", name="descriptors")
def _descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service's descriptor set, as its own build would make it."""
    path = tmp_path_factory.mktemp("echo") / "echo.binpb"
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"-I{HERE}", f"-I{PROTOS}", f"-I{PROTOS / 'third_party'}"),
            *("--include_imports", "--include_source_info", f"--descriptor_set_out={path}"),
            "echo.proto",
        ],
        check=True,
    )
    return path


@pytest.fixture(name="echo_address")
async def _echo_address(descriptors: Path) -> AsyncIterator[str]:
    """The service itself: plain gRPC, without a line of ours."""
    pool = _pool(descriptors)

    def message(name: str) -> Any:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))

    async def say(request: Any, context: Any) -> Any:
        response = message("SayResponse")()
        response.said.words.extend([request.word] * request.times)
        response.said.tone = request.tone
        response.said.notes.update(request.notes)
        response.said.since.CopyFrom(request.since)
        return response

    async def who_am_i(request: Any, context: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        return message("WhoAmIResponse")(request_id=str(metadata["x-request-id"]))

    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(
            behave, message(f"{name}Request").FromString, lambda response: response.SerializeToString()
        )
        for name, behave in (("Say", say), ("WhoAmI", who_am_i))
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(f"{PACKAGE}.EchoService", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


@pytest.fixture(name="gateway")
def _gateway(
    auth: AuthStandIn, echo_address: str, descriptors: Path, valkey: Valkey, tmp_path: Path
) -> Iterator[str]:
    """`python -m gateway` as it is shipped, told of the service by two settings."""
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
    async with httpx.AsyncClient(base_url=gateway) as client:
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


def _pool(descriptors: Path) -> Any:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes()).file:
        pool.Add(file)  # type: ignore[no-untyped-call]
    return pool


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/ready")).status_code == httpx.codes.OK
    except httpx.ConnectError:
        return False

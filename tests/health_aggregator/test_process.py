"""`python -m health_aggregator` as a process."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from chassis.http.operations import open_operations
from chassis.readiness import Readiness
from devstack.ports import free_port
from vestibule.health.v1 import health_service_pb2 as pb
from vestibule.health.v1.health_service_pb2_grpc import HealthServiceStub

from tests.chassis.waiting import until
from tests.fakes.service_keys import key_settings, proof
from tests.health_aggregator import servers

BUILT_IN = {
    "gateway",
    "auth-service",
    "user-service",
    "health-aggregator",
    "postgres",
    "redis",
    "qdrant",
    "nextcloud",
}


def as_gateway() -> tuple[tuple[str, str], ...]:
    """Returns the metadata of a call by the gateway."""
    return proof("gateway", "health-aggregator")


class Aggregator:
    """A running aggregator and a client of it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.grpc_port, self.http_port = free_port(), free_port()
        self.topology = folder / "topology.json"
        self.config = folder / "health.toml"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HEALTH_HTTP_PORT": str(self.http_port),
            "HEALTH_GRPC_PORT": str(self.grpc_port),
            "HEALTH_TOPOLOGY": str(self.topology),
            "HEALTH_CONFIG": str(self.config),
            **key_settings("health-aggregator"),
            "REDIS_URL": f"redis://:hunter2@127.0.0.1:{free_port()}",
            **settings,
        }
        self.config.write_text("", "utf-8")
        self.process: asyncio.subprocess.Process | None = None
        self.log = folder / "log"

    async def health(self) -> tuple[str, dict[str, pb.Component]]:
        """Returns the status and the components."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            answer = await HealthServiceStub(channel).GetHealth(
                pb.GetHealthRequest(), wait_for_ready=True, metadata=as_gateway()
            )
        return pb.Status.Name(answer.status), {each.name: each for each in answer.components}

    async def state(self, name: str) -> str:
        """Returns the state of a component, without its prefix."""
        return pb.State.Name((await self.health())[1][name].state).removeprefix("STATE_").lower()

    async def is_ready(self) -> bool:
        """Returns whether `/ready` says so."""
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{self.http_port}/ready")).status_code == 200

    async def becomes(self, name: str, state: str, seconds: float = 60.0) -> float:
        """Waits until a component is in a state; returns how long that took."""
        started = time.monotonic()

        async def is_so() -> bool:
            return await self.state(name) == state

        await until(is_so, seconds=seconds)
        return time.monotonic() - started


@asynccontextmanager
async def running(aggregator: Aggregator) -> AsyncIterator[Aggregator]:
    """Runs an aggregator; its log must contain no secret."""
    with aggregator.log.open("wb") as log:
        aggregator.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "health_aggregator", env=aggregator.environment, stdout=log, stderr=log
        )
    try:
        yield aggregator
        aggregator.process.terminate()
        assert await asyncio.wait_for(aggregator.process.wait(), 10) == 0
    finally:
        if aggregator.process.returncode is None:
            aggregator.process.kill()
            await aggregator.process.wait()
    assert "hunter2" not in aggregator.log.read_text("utf-8")


@asynccontextmanager
async def a_service(port: int = 0, readiness: Readiness | None = None) -> AsyncIterator[int]:
    """Serves the operations port of a service and nothing else."""
    async with open_operations(
        readiness or Readiness(), service="user-service", version="1.2.3", host="127.0.0.1", port=port
    ) as server:
        yield int(server.address.rpartition(":")[2])


def write_topology(aggregator: Aggregator, **addresses: str) -> None:
    """Writes the addresses of services, as `make up` does."""
    services = {name.replace("_", "-"): {"pid": 1, "http": address} for name, address in addresses.items()}
    aggregator.topology.write_text(json.dumps({"services": services}), "utf-8")


async def test_services_start_and_stop(tmp_path: Path) -> None:
    """It starts alone, checks the services in the topology file, and detects a failure within 2 s."""
    async with running(Aggregator(tmp_path)) as aggregator:
        status, components = await aggregator.health()
        assert set(components) == BUILT_IN
        assert await aggregator.state("user-service") == "disabled"
        # Its Redis is away: the clocks are compared for some seconds before that counts as none.
        await until(aggregator.is_ready, seconds=60.0)

        async with a_service() as port:
            write_topology(aggregator, user_service=f"127.0.0.1:{port}")
            await aggregator.becomes("user-service", "up")
        assert await aggregator.becomes("user-service", "down") < 2
        status, components = await aggregator.health()
        assert status == "STATUS_UNHEALTHY"
        assert components["user-service"].error == "refuses connections"
        async with a_service(port):
            assert await aggregator.becomes("user-service", "up") < 5
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"http://127.0.0.1:{aggregator.http_port}/metrics")).text

    assert 'health_component_state{component="qdrant",state="disabled"} 1.0' in metrics
    assert 'health_component_flips_total{component="user-service",state="down"}' in metrics
    assert 'health_check_duration_seconds_bucket{component="user-service",le=' in metrics


async def test_a_service_that_is_not_ready_is_down_and_so_is_one_that_hangs(tmp_path: Path) -> None:
    """Though each still accepts connections."""
    hangs = asyncio.Event()
    answer = servers.http(lambda _method, _path: (200, b"", {}))

    async def answer_or_hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (servers.hang if hangs.is_set() else answer)(reader, writer)

    readiness = Readiness()
    async with (
        a_service(readiness=readiness) as unready,
        servers.serving(answer_or_hang) as hanging,
        running(Aggregator(tmp_path)) as aggregator,
    ):
        write_topology(aggregator, user_service=f"127.0.0.1:{unready}", auth_service=f"127.0.0.1:{hanging}")
        await aggregator.becomes("user-service", "up")
        await aggregator.becomes("auth-service", "up")
        readiness.stop()
        hangs.set()
        await aggregator.becomes("user-service", "down")
        await aggregator.becomes("auth-service", "down")
        _, components = await aggregator.health()

    assert components["user-service"].error == "answers with status 503"
    assert components["auth-service"].error == "no answer within 1 s"
    assert components["health-aggregator"].state == pb.STATE_UP


async def test_reloads_a_changed_file_and_refuses_a_faulty_one(tmp_path: Path) -> None:
    """Without a restart; the fault is logged, and the previous targets stay."""
    async with (
        servers.serving(servers.http(lambda _method, _path: (200, b"", {}))) as port,
        running(Aggregator(tmp_path)) as aggregator,
    ):
        good = f'[targets.search]\nkind = "http"\nurl = "http://127.0.0.1:{port}/"\ncritical = true\n'
        aggregator.config.write_text(good, "utf-8")
        await until(lambda: _has(aggregator, "search"))
        await aggregator.becomes("search", "up")
        aggregator.config.write_text(good.replace("critical", "critcal"), "utf-8")
        await until(
            lambda: re.search(r"targets\.search\.critcal: ", aggregator.log.read_text("utf-8")), seconds=10
        )
        assert await aggregator.state("search") == "up"
        aggregator.config.write_text(good.replace("search", "find"), "utf-8")
        await until(lambda: _has(aggregator, "find"))
        assert not await _has(aggregator, "search")


@pytest.mark.nightly
async def test_streams_resume_beside_a_thousand_idle_ones(tmp_path: Path) -> None:
    """The whole state first, changes with ids, missed ones on resuming; idle listeners cost little."""
    async with a_service() as port:
        aggregator = Aggregator(tmp_path)
        write_topology(aggregator, user_service=f"127.0.0.1:{port}")
        async with (
            running(aggregator),
            grpc.aio.insecure_channel(f"127.0.0.1:{aggregator.grpc_port}") as channel,
        ):
            await aggregator.becomes("user-service", "up")
            stub: Any = HealthServiceStub(channel)
            stream = stub.StreamHealth(pb.StreamHealthRequest(), metadata=as_gateway())
            first = await stream.read()
            silent = [stub.StreamHealth(pb.StreamHealthRequest(), metadata=as_gateway()) for _ in range(1000)]
            await asyncio.gather(*(each.initial_metadata() for each in silent))
            write_topology(aggregator, user_service=f"127.0.0.1:{free_port()}")
            changes = await _changes_until_down(stream, "user-service")
            await aggregator.becomes("user-service", "down")
            memory = _resident_megabytes(aggregator)
            again = stub.StreamHealth(
                pb.StreamHealthRequest(last_event_id=first.event_id), metadata=as_gateway()
            )
            missed = [await again.read()]
            while missed[-1].WhichOneof("event") != "state":
                missed.append(await again.read())
            foreign = await stub.StreamHealth(
                pb.StreamHealthRequest(last_event_id="other-1"), metadata=as_gateway()
            ).read()
            for each in (stream, again, *silent):
                each.cancel()

    assert first.WhichOneof("event") == "state"
    assert changes[-1].change.previous == pb.STATE_SUSPECT
    assert {each.event_id for each in changes} <= {each.event_id for each in missed}
    assert foreign.WhichOneof("event") == "state"
    assert memory < 250


async def test_a_port_in_use_is_reported_in_one_line(tmp_path: Path) -> None:
    """The process exits with 1."""
    aggregator = Aggregator(tmp_path)
    async with servers.serving(servers.hang) as port:
        aggregator.environment["HEALTH_HTTP_PORT"] = str(port)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "health_aggregator"),
            env=aggregator.environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, error = await process.communicate()

    assert process.returncode == 1
    assert str(port) in error.decode().splitlines()[-1]


async def _changes_until_down(stream: Any, name: str) -> list[pb.StreamHealthResponse]:
    found: list[pb.StreamHealthResponse] = []
    while not found or found[-1].change.state != pb.STATE_DOWN:
        message = await stream.read()
        if message.change.name == name:
            found.append(message)
    return found


async def _has(aggregator: Aggregator, name: str) -> bool:
    return name in (await aggregator.health())[1]


def _resident_megabytes(aggregator: Aggregator) -> float:
    assert aggregator.process is not None
    status = Path(f"/proc/{aggregator.process.pid}/status").read_text("utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures memory by /proc")

"""A service that dies before, at or after its first message, by every way that streams are served."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from devstack.ports import free_port
from devstack.valkey import Valkey

from tests.chassis.waiting import until
from tests.fakes.echo_service import PACKAGE
from tests.gateway.streaming import Echo, closed, opened, refused, serving_echo
from tests.user_service.auth_stand_in import AuthStandIn
from tests.waiting import SLOW_MACHINE_SECONDS

FORMS = ["text/event-stream", "application/x-ndjson"]


class Service:
    """The echo service in a process of its own."""

    def __init__(self) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "tests.fakes.echo_service", self.address]
        self._process = subprocess.Popen(command)

    async def started(self) -> None:
        """Waits until it listens."""
        host, port = self.address.split(":")
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection(host, int(port))
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    def die(self) -> None:
        """Kills it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture(name="service")
async def _service() -> AsyncIterator[Service]:
    service = Service()
    await service.started()
    yield service
    service.die()


@pytest.fixture(name="edge")
async def _edge(
    auth: AuthStandIn, valkey: Valkey, descriptors: Path, service: Service
) -> AsyncIterator[Echo]:
    """A gateway before the service that will die."""
    upstreams = {"vestibule.auth.v1": {"address": auth.address}, PACKAGE: {"address": service.address}}
    async with serving_echo(auth, valkey, descriptors, upstreams=upstreams) as echo:
        yield echo


def headers(edge: Echo, accept: str) -> dict[str, str]:
    """Returns the headers of a signed-in user."""
    return {"Authorization": f"Bearer {edge.token()}", "Accept": accept}


def last(form: str, lines: list[str]) -> tuple[str, Any]:
    """Returns the name and the data of the last event."""
    written = [line for line in lines if line]
    if form == FORMS[1]:
        event = json.loads(written[-1])
        return event["event"], event["data"]
    return written[-2].removeprefix("event: "), json.loads(written[-1].removeprefix("data: "))


@pytest.mark.parametrize("form", FORMS)
async def test_before_the_first_message(edge: Echo, service: Service, form: str) -> None:
    """Dead already, or while the head is held back: an ordinary 503."""
    asking = asyncio.ensure_future(
        edge.http.get("/api/echo/count?pause_milliseconds=60000", headers=headers(edge, form))
    )
    await until(lambda: opened("Count") == 1)
    await asyncio.sleep(0.2)
    service.die()
    for response in (await asking, await edge.http.get("/api/echo/count", headers=headers(edge, form))):
        assert (response.status_code, response.json()["error"]["code"]) == (503, "UNAVAILABLE")
    await until(lambda: not opened("Count"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("query", ["pause_milliseconds=1500", "pause_milliseconds=20"])
async def test_at_and_after_the_first_message(edge: Echo, service: Service, form: str, query: str) -> None:
    """Once the head is sent, with or without a message: an `error` event is the last one."""
    url = f"/api/echo/count?{query}"
    async with edge.http.stream("GET", url, headers=headers(edge, form)) as response:
        lines = response.aiter_lines()
        read: list[str] = []
        if query.endswith("=20"):
            while not any("1" in line for line in read):
                read.append(await anext(lines))
        service.die()
        read += [line async for line in lines]

    name, data = last(form, read)
    assert (response.status_code, name, data["code"]) == (200, "error", "UNAVAILABLE")
    await until(lambda: not opened("Count"))


async def test_content_that_is_cut(edge: Echo, service: Service) -> None:
    """Half of it is never taken for the whole."""
    body = {"parts": 100, "part_bytes": 10, "pause_milliseconds": 50}
    with pytest.raises(httpx.RemoteProtocolError):
        async with edge.http.stream(
            "POST", "/api/echo/play", json=body, headers=headers(edge, "*/*")
        ) as response:
            async for _ in response.aiter_raw():
                service.die()


async def test_websockets(edge: Echo, service: Service) -> None:
    """Closed by 1013 with and without a message before; a handshake after that is refused by 503."""
    silent, speaking = await edge.talk(), await edge.talk()
    await speaking.send('{"say": "a"}')
    await speaking.recv()
    service.die()

    async with asyncio.timeout(SLOW_MACHINE_SECONDS):
        assert await closed(silent) == (1013, "UNAVAILABLE")
        assert await closed(speaking) == (1013, "UNAVAILABLE")
    assert await refused(edge.talk()) == (503, "UNAVAILABLE")
    await until(lambda: not opened())

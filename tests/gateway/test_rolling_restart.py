"""Gateways restarted one after another under open streams: who comes back loses nothing that has an id.

`STREAMS=500` opens as many as the figure in `docs/streams.md` is of.
"""

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from chassis.identity.role import Role
from chassis.ids import uuid7
from devstack.ports import free_port
from devstack.valkey import Valkey
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.fakes.echo_service import PACKAGE, EchoService, serve_echo
from tests.fakes.service_keys import key_settings
from tests.gateway.streaming import TALK
from tests.user_service.auth_stand_in import AUDIENCE, ISSUER, AuthStandIn

STREAMS = int(os.environ.get("STREAMS", "30"))
EVENTS = b"GET /api/echo/count?pause_milliseconds=500 HTTP/1.1\r\nHost: vestibule\r\n"


class Process:
    """`python -m gateway` as it is shipped."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self._environment = environment | {"GATEWAY_PORT": str(self.port)}
        self._log = log
        self._start()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "gateway"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    async def ready(self) -> None:
        """Waits until it serves."""
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(OSError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.write(b"GET /ready HTTP/1.1\r\nHost: vestibule\r\nConnection: close\r\n\r\n")
                    line = await reader.readline()
                    writer.close()
                    if b" 200 " in line:
                        return
                await asyncio.sleep(0.1)

    async def restart(self) -> float:
        """Stops it by SIGTERM and starts it again; returns how long the stop took."""
        started = time.monotonic()
        self.stop()
        code = await asyncio.to_thread(self._process.wait, 40)
        assert code == 0, self._log.read_text()
        seconds = time.monotonic() - started
        self._start()
        await self.ready()
        return seconds

    def stop(self) -> None:
        """Sends SIGTERM."""
        self._process.terminate()

    def end(self) -> None:
        """Stops it for good."""
        self._process.kill()
        self._process.wait()


@dataclass
class Seen:
    """What the clients have seen.

    Attributes:
        ends: Names of last events, and close codes.
        away: How many seconds each client was without a stream, at a restart.
    """

    ends: Counter[str] = field(default_factory=Counter)
    away: list[float] = field(default_factory=list)


@pytest.fixture(name="gateways")
def _gateways(
    auth: AuthStandIn, descriptors: Path, valkey: Valkey, tmp_path: Path, echo_address: str
) -> Iterator[list[Process]]:
    upstreams = {"vestibule.auth.v1": {"address": auth.address}, PACKAGE: {"address": echo_address}}
    environment = {
        "GATEWAY_UPSTREAMS": json.dumps(upstreams),
        "GATEWAY_DESCRIPTORS": str(descriptors),
        "GATEWAY_RATE_LIMITS": "off",
        **key_settings("gateway"),
        "REDIS_URL": valkey.url,
        "TOKEN_ISSUER": ISSUER,
        "TOKEN_AUDIENCE": AUDIENCE,
    }
    gateways = [Process(environment, tmp_path / f"{number}.log") for number in range(2)]
    yield gateways
    for gateway in gateways:
        gateway.end()


@pytest.fixture(name="echo_address")
async def _echo_address() -> Any:
    server, address = await serve_echo(EchoService())
    yield address
    await server.stop(0)


async def follow(gateways: list[Process], token: str, seen: Seen, stop: asyncio.Event) -> list[int]:
    """Follows events as `EventSource` does, at one gateway after another; returns the identifiers."""
    identifiers: list[int] = []
    turn, left_at = random.randrange(2), 0.0
    while not stop.is_set():
        turn += 1
        last = f"Last-Event-ID: {identifiers[-1]}\r\n" if identifiers else ""
        retry = 1.0
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateways[turn % 2].port)
            writer.write(EVENTS + f"Authorization: Bearer {token}\r\n{last}\r\n".encode())
            name = ""
            # A gateway that stops may refuse a new stream, or close its connection unanswered.
            is_open = b" 200 " in await reader.readline()
            while line := await reader.readline():
                kind, _, value = line.decode().strip().partition(": ")
                if kind == "event":
                    name = value
                elif kind == "retry":
                    retry = int(value) / 1000
                elif kind == "id":
                    identifiers.append(int(value))
                    if left_at:
                        seen.away.append(time.monotonic() - left_at)
                        left_at = 0.0
                if stop.is_set() or name in ("end", "error"):
                    break
            writer.close()
            if is_open and not stop.is_set():
                seen.ends[name] += 1
        left_at = left_at or time.monotonic()
        await asyncio.sleep(retry)
    return identifiers


async def talk(gateways: list[Process], token: str, seen: Seen, stop: asyncio.Event) -> None:
    """Talks and comes back when the gateway says that it stops."""
    turn, left_at = random.randrange(2), 0.0
    while not stop.is_set():
        turn += 1
        url = f"ws://127.0.0.1:{gateways[turn % 2].port}{TALK}"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with connect(
                url, additional_headers=headers, compression=None, proxy=None, open_timeout=30
            ) as client:
                while not stop.is_set():
                    await client.send('{"say": "a"}')
                    await client.recv()
                    if left_at:
                        seen.away.append(time.monotonic() - left_at)
                        left_at = 0.0
                    await asyncio.sleep(0.5)
        except ConnectionClosed as closed:
            seen.ends[str(closed.rcvd.code if closed.rcvd else 1006)] += 1
        except (OSError, InvalidStatus, TimeoutError):
            pass
        left_at = left_at or time.monotonic()
        await asyncio.sleep(random.uniform(0.2, 1))


@pytest.mark.nightly
async def test_nothing_is_lost(gateways: list[Process], auth: AuthStandIn) -> None:
    """Every stream ends by its code and goes on at the other gateway, without a gap or a repetition."""
    for gateway in gateways:
        await gateway.ready()
    seen, stop = Seen(), asyncio.Event()
    tokens = [auth.token(uuid7(), Role.USER) for _ in range(STREAMS)]
    followers = [
        asyncio.ensure_future(follow(gateways, token, seen, stop)) for token in tokens[: STREAMS // 2]
    ]
    talkers = [asyncio.ensure_future(talk(gateways, token, seen, stop)) for token in tokens[STREAMS // 2 :]]
    await asyncio.sleep(2 + STREAMS / 50)
    stops = [await gateway.restart() for gateway in gateways]
    await asyncio.sleep(4)
    stop.set()
    identifiers = await asyncio.gather(*followers)
    await asyncio.gather(*talkers)

    away = sorted(seen.away)
    print(f"{STREAMS} streams: stops {stops}, ends {dict(seen.ends)},")  # noqa: T201 asked for with -s
    print(f"away p50 {away[len(away) // 2]:.2f} s, most {away[-1]:.2f} s")  # noqa: T201
    assert all(each == list(range(1, len(each) + 1)) for each in identifiers)
    assert all(len(each) > 5 for each in identifiers)
    assert set(seen.ends) <= {"end", "1001", "error", ""}
    assert seen.ends["1001"] >= STREAMS // 2
    assert seen.ends["end"] >= STREAMS // 2
    assert seen.ends["error"] == seen.ends[""] == 0

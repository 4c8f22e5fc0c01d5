"""What ends a user's access ends their streams, at two gateways before a service that they do not know."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import redis
from chassis.auth_client.client import AUTH_SERVICE
from chassis.events import heartbeat
from devstack.ports import free_port
from devstack.topology import GATEWAY
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.fakes.echo_service import PACKAGE, write_descriptors
from tests.system import direct
from tests.system.client import PASSWORD, Client, User
from tests.system.machines import KEYS, made
from tests.system.running_system import System
from tests.waiting import wait_for

NEW_PASSWORD = "copper-lantern-orbit-fern"
WITHIN_SECONDS = 1.0
NO_CONTENT = 204
TOO_MANY = 429

TALK = "/api/echo/rooms/blue/talk"


@dataclass(frozen=True)
class Edges:
    """Two more gateways, which know the echo service.

    Attributes:
        urls: Where they are.
    """

    urls: list[str]

    def talk(self, token: str) -> list[ClientConnection]:
        """Opens a WebSocket at each, and has it answer."""
        sockets = []
        for url in self.urls:
            address = url.replace("http", "ws") + TALK
            headers = {"Authorization": f"Bearer {token}"}
            socket = connect(address, additional_headers=headers, compression=None, proxy=None, legacy=True)
            assert said(socket)
            sockets.append(socket)
        return sockets


def said(socket: ClientConnection) -> bool:
    """Returns whether a stream still goes on."""
    socket.send('{"say": "a"}')
    return bool(json.loads(socket.recv(timeout=10))["said"] == "a")


def ended(sockets: list[ClientConnection], since: float) -> float:
    """Waits until all have been closed as revoked; returns how many seconds that took."""
    for socket in sockets:
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)
        assert (socket.close_code, socket.close_reason) == (4401, "TOKEN_REVOKED")
    return time.monotonic() - since


@pytest.fixture(scope="module", name="echo_settings")
def _echo_settings(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A service of another team, and the settings by which a gateway knows it."""
    descriptors = tmp_path_factory.mktemp("echo") / "echo.binpb"
    write_descriptors(descriptors)
    address = f"127.0.0.1:{free_port()}"
    upstreams = json.loads(system.environment(GATEWAY)["GATEWAY_UPSTREAMS"])
    process = subprocess.Popen([sys.executable, "-m", "tests.fakes.echo_service", address])
    yield {
        "GATEWAY_UPSTREAMS": json.dumps(upstreams | {PACKAGE: {"address": address}}),
        "GATEWAY_DESCRIPTORS": str(descriptors),
    }
    process.kill()
    process.wait()


@pytest.fixture(scope="module", name="edges")
def _edges(system: System, echo_settings: dict[str, str]) -> Iterator[Edges]:
    with ExitStack() as stack:
        yield Edges([stack.enter_context(system.gateway(**echo_settings)) for _ in range(2)])


def _log_out(client: Client, admin: User, user: User) -> Any:
    return client.post("/api/auth/logout", token=user.access_token)


def _log_out_everywhere(client: Client, admin: User, user: User) -> Any:
    return client.post("/api/auth/logout-all", token=user.access_token)


def _deactivate(client: Client, admin: User, user: User) -> Any:
    return client.put(f"/api/users/{user.id}", token=admin.access_token, json={"is_active": False})


def _change_role(client: Client, admin: User, user: User) -> Any:
    return client.put(f"/api/users/{user.id}", token=admin.access_token, json={"role": "admin"})


def _erase(client: Client, admin: User, user: User) -> Any:
    return client.delete(f"/api/users/{user.id}", token=admin.access_token)


Ending = Callable[[Client, User, User], Any]


@pytest.mark.parametrize("end", [_log_out, _log_out_everywhere, _deactivate, _change_role, _erase])
def test_the_end_of_a_session(client: Client, admin: User, edges: Edges, end: Ending) -> None:
    """Closes its streams at both gateways within a second, and those of no one else."""
    user, other = client.join(), client.join()
    sockets, others = edges.talk(user.access_token), edges.talk(other.access_token)
    assert end(client, admin, user).status in {200, 204}
    seconds = ended(sockets, time.monotonic())

    print(f"{end.__name__}: closed at two gateways after {seconds:.2f} s")  # noqa: T201 asked for with -s
    assert seconds < WITHIN_SECONDS
    assert all(said(socket) for socket in others)
    for socket in others:
        socket.close()


def test_a_new_password(client: Client, edges: Edges) -> None:
    """Ends the streams of the other sessions; the session that changed it goes on."""
    user = client.join()
    elsewhere = client.sign_in(user)
    own, others = edges.talk(user.access_token), edges.talk(elsewhere.access_token)
    body = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert client.put("/api/users/me/password", token=user.access_token, json=body).status == 204

    assert ended(others, time.monotonic()) < WITHIN_SECONDS
    assert all(said(socket) for socket in own)
    for socket in own:
        socket.close()


def test_an_api_key_that_is_deleted(client: Client, edges: Edges) -> None:
    """Ends its streams, and not those of the user's session or other keys."""
    user = client.join(proven=True)
    key, kept = made(client, user), made(client, user)
    sockets, others = edges.talk(key["key"]), edges.talk(kept["key"])
    assert client.delete(f"{KEYS}/{key['id']}", token=user.access_token).status == 204

    assert ended(sockets, time.monotonic()) < WITHIN_SECONDS
    assert all(said(socket) for socket in others)
    for socket in others:
        socket.close()


def test_events_end_too(client: Client, edges: Edges) -> None:
    """By an `error` event that says why."""
    user = client.join()
    headers = {"Authorization": f"Bearer {user.access_token}"}
    url = f"{edges.urls[1]}/api/echo/count?pause_milliseconds=50"
    with httpx.stream("GET", url, headers=headers, timeout=20) as response:
        lines = response.iter_lines()
        while next(lines) != "event: number":
            pass
        client.post("/api/auth/logout", token=user.access_token)
        started = time.monotonic()
        rest = list(lines)

    assert time.monotonic() - started < WITHIN_SECONDS
    assert "event: error" in rest
    assert json.loads(rest[-2].removeprefix("data: "))["code"] == "TOKEN_REVOKED"


@pytest.mark.nightly
def test_during_a_silence(client: Client, edges: Edges, system: System) -> None:
    """Streams that nothing comes by rely on heartbeats as well, and end within a second."""
    user = client.join()
    sockets = edges.talk(user.access_token)
    time.sleep(heartbeat.REQUESTED_SECONDS + 10)
    with redis.Redis.from_url(system.redis_url) as valkey:
        assert valkey.exists(heartbeat.key(AUTH_SERVICE))
    direct.sign_out(system, user.access_token)

    assert ended(sockets, time.monotonic()) < WITHIN_SECONDS


@pytest.mark.nightly
def test_without_redis(client: Client, edges: Edges, system: System) -> None:
    """No revocation is read then, so auth-service is asked for them."""
    user, other = client.join(), client.join()
    sockets, others = edges.talk(user.access_token), edges.talk(other.access_token)
    with system.without("redis"):
        client.post("/api/auth/logout", token=user.access_token)
        seconds = ended(sockets, time.monotonic())
        assert all(said(socket) for socket in others)
    print(f"without Redis: closed at two gateways after {seconds:.2f} s")  # noqa: T201 asked for with -s
    assert seconds < WITHIN_SECONDS
    for socket in others:
        socket.close()


@pytest.mark.nightly
def test_without_auth_service(client: Client, edges: Edges, system: System) -> None:
    """Streams go on: nothing is revoked then, and what was revoked before is on the stream."""
    user, other = client.join(), client.join()
    sockets, others = edges.talk(user.access_token), edges.talk(other.access_token)
    for _ in range(3):
        with system.without(AUTH_SERVICE):
            time.sleep(2)
            assert all(said(socket) for socket in (*sockets, *others))
        time.sleep(1)
    assert client.post("/api/auth/logout", token=user.access_token).status == NO_CONTENT
    assert ended(sockets, time.monotonic()) < WITHIN_SECONDS
    assert all(said(socket) for socket in others)
    for socket in others:
        socket.close()


@pytest.mark.nightly
def test_slots_without_redis(client: Client, edges: Edges, system: System) -> None:
    """Each gateway counts for itself then; afterwards the streams of all count, also those of before."""
    user = client.join()
    with system.without("redis"):
        (first, second), others = edges.talk(user.access_token), []
        for _ in range(3):
            others += edges.talk(user.access_token)
        assert _status(edges.urls[0], user) == _status(edges.urls[1], user) == TOO_MANY
    for socket in (first, *others[::2]):
        socket.close()
    # The other gateway still has four. Slots are renewed every 20 s, and then this one knows of them.
    wait_for(lambda: _status(edges.urls[0], user) == TOO_MANY)
    for socket in (second, *others[1::2]):
        socket.close()


def _status(url: str, user: User) -> int:
    headers = {
        "Authorization": f"Bearer {user.access_token}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    return httpx.get(url + TALK, headers=headers, timeout=20).status_code


@pytest.mark.nightly
def test_a_gateway_that_is_stopped(client: Client, system: System, echo_settings: dict[str, str]) -> None:
    """SIGTERM closes WebSockets by 1001 and ends events with `retry:`: their clients come back elsewhere."""
    user = client.join()
    headers = {"Authorization": f"Bearer {user.access_token}"}
    with ExitStack() as stack:
        gateway = stack.enter_context(ExitStack())
        url = gateway.enter_context(system.gateway(**echo_settings))
        (socket,) = Edges([url]).talk(user.access_token)
        events = stack.enter_context(
            httpx.stream("GET", f"{url}/api/echo/count?pause_milliseconds=200", headers=headers, timeout=20)
        )
        lines = events.iter_lines()
        while next(lines) != "event: number":
            pass
        gateway.close()
        rest = list(lines)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)

    assert (socket.close_code, socket.close_reason) == (1001, "UNAVAILABLE")
    assert [line for line in rest if line.startswith("retry: ")]
    assert rest[-2] == 'data: {"reason":"draining"}'

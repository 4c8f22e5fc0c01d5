"""Revocation: what one gateway ends, every other refuses soon, with Redis and without.

That it takes less than a second is measured by `make test-faults` and `make bench-staleness`.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest
from devstack.topology import AUTH

from tests.faults.wires import RESET, Wires
from tests.system.client import PASSWORD, Answer, Client, User
from tests.system.running_system import System
from tests.waiting import SLOW_MACHINE_SECONDS, wait_for

UNNOTICED_SECONDS = 1.2
"""How long a gateway may take to notice that Redis is away; until then it trusts what it has read."""


Ending = Callable[[Client, User, User], Answer]


def _log_out(client: Client, admin: User, user: User) -> Answer:
    return client.post("/api/auth/logout", token=user.access_token)


def _log_out_everywhere(client: Client, admin: User, user: User) -> Answer:
    return client.post("/api/auth/logout-all", token=user.access_token)


def _change_role(client: Client, admin: User, user: User) -> Answer:
    return client.put(f"/api/users/{user.id}", token=admin.access_token, json={"role": "admin"})


def _deactivate(client: Client, admin: User, user: User) -> Answer:
    return client.put(f"/api/users/{user.id}", token=admin.access_token, json={"is_active": False})


def _delete(client: Client, admin: User, user: User) -> Answer:
    return client.delete(f"/api/users/{user.id}", token=admin.access_token)


def _leave(client: Client, admin: User, user: User) -> Answer:
    return client.delete("/api/users/me", token=user.access_token, json={"password": PASSWORD})


ENDINGS = [_log_out, _log_out_everywhere, _change_role, _deactivate, _delete, _leave]


@pytest.mark.parametrize("end", ENDINGS)
def test_other_gateway_refuses(client: Client, other: Client, admin: User, end: Ending) -> None:
    """The gateway that took the call refuses at once, another one as soon as it has read the stream."""
    user = client.join()
    assert other.who(user.access_token).status == 200
    assert end(client, admin, user).status in {200, 204}

    assert client.who(user.access_token).outcome == (401, "TOKEN_REVOKED")
    wait_for(lambda: other.who(user.access_token).outcome == (401, "TOKEN_REVOKED"))


def test_password_change_at_the_other_gateway(client: Client, other: Client) -> None:
    """A new password ends the other sessions everywhere, and not this one."""
    user = client.join()
    elsewhere = other.sign_in(user)
    answer = client.put(
        "/api/users/me/password",
        token=user.access_token,
        json={"old_password": PASSWORD, "new_password": "copper-lantern-orbit-fern"},
    )
    assert answer.status == 204

    wait_for(lambda: other.who(elsewhere.access_token).outcome == (401, "TOKEN_REVOKED"))
    assert other.who(user.access_token).status == 200


def test_cached_read_is_dropped_everywhere(client: Client, other: Client, admin: User) -> None:
    """A read that another gateway keeps is dropped when the user changes: no stale name is served."""
    user = client.join()
    other.who(user.access_token)
    client.put(f"/api/users/{user.id}", token=admin.access_token, json={"full_name": "Renamed"})

    assert client.who(user.access_token).data["full_name"] == "Renamed"
    wait_for(lambda: other.who(user.access_token).data["full_name"] == "Renamed")


def test_gateway_that_starts_later_knows(client: Client, system: System) -> None:
    """A gateway that starts later refuses a revoked token from its first request on."""
    user = client.join()
    client.post("/api/auth/logout", token=user.access_token)
    with system.gateway() as url, Client(url) as late:
        assert late.who(user.access_token).outcome == (401, "TOKEN_REVOKED")


@pytest.mark.nightly
def test_without_auth_service(client: Client, system: System) -> None:
    """Valid tokens are accepted without auth-service; calls that need it get 503."""
    user = client.join()
    assert client.who(user.access_token).status == 200
    with system.without("auth-service"):
        assert client.who(user.access_token).status == 200
        refused = client.post("/api/auth/login", json={"email": user.email, "password": PASSWORD})
        assert refused.outcome == (503, "UNAVAILABLE")
    client.sign_in(user)


@pytest.mark.nightly
def test_auth_service_dies_behind_its_answer(client: Client, other: Client, system: System) -> None:
    """What it acknowledged is refused everywhere, although its relay has published nothing since."""
    user, later = client.join(), client.join()
    for known in (user, later):
        assert other.who(known.access_token).status == 200
    with relay_stopped(system):
        assert client.post("/api/auth/logout", token=user.access_token).status == 204
        system.kill("auth-service")
        time.sleep(1)
        outcomes = [other.who(known.access_token).outcome for known in (user, later)]
    system.start("auth-service")

    assert outcomes == [(401, "TOKEN_REVOKED"), (200, None)]


@pytest.mark.nightly
def test_auth_service_dies_behind_the_end_of_all_sessions(
    client: Client, other: Client, first_admin: User, system: System
) -> None:
    """As with one session: none but the caller's is accepted anywhere."""
    user, admin = client.join(), client.sign_in(first_admin)
    for known in (user, admin):
        assert other.who(known.access_token).status == 200
    with relay_stopped(system):
        assert client.post("/api/admin/sessions/end-all", token=admin.access_token).status == 204
        system.kill("auth-service")
        time.sleep(1)
        outcomes = [other.who(known.access_token).outcome for known in (user, admin)]
    system.start("auth-service")

    assert outcomes == [(401, "TOKEN_REVOKED"), (200, None)]


@pytest.mark.nightly
def test_auth_service_dies_cut_off_from_redis(client: Client, other: Client, system: System) -> None:
    """What it acknowledged is on no stream: a gateway that saw it run without heartbeats accepts nothing."""
    url = urlsplit(system.environment(AUTH)["REDIS_URL"])
    with Wires() as wires:
        user_info, _, address = url.netloc.rpartition("@")
        proxied = url._replace(netloc=f"{user_info}@{wires.route(AUTH.name, 'redis', address)}")
        with system.changed(AUTH.name, REDIS_URL=proxied.geturl()):
            user, later = client.join(), client.join()
            for known in (user, later):
                assert other.who(known.access_token).status == 200
            with wires.spoiled(wires.between(AUTH.name), RESET):
                time.sleep(UNNOTICED_SECONDS)
                assert other.who(later.access_token).status == 200
                assert client.post("/api/auth/logout", token=user.access_token).status == 204
                system.kill(AUTH.name)
                time.sleep(1)
                outcomes = [other.who(known.access_token).outcome for known in (user, later)]

    assert outcomes == [(503, "UNAVAILABLE")] * 2
    wait_for(lambda: other.who(user.access_token).outcome == (401, "TOKEN_REVOKED"))
    assert other.who(later.access_token).status == 200


@contextmanager
def relay_stopped(system: System) -> Iterator[None]:
    """Takes the lock by which auth-service's relay leads, until the end of the block."""

    async def take(taken: threading.Event, done: threading.Event) -> None:
        connection = await asyncpg.connect(system.url("auth_service"))
        try:
            waiting = asyncio.create_task(
                connection.execute("SELECT pg_advisory_lock(hashtextextended('relay:auth', 0))")
            )
            while not waiting.done():
                await asyncio.sleep(0.1)
                await asyncio.to_thread(
                    system.change,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'auth-service-relay'",
                )
            await waiting
            taken.set()
            await asyncio.to_thread(done.wait)
        finally:
            await connection.close()

    taken, done = threading.Event(), threading.Event()
    holder = threading.Thread(target=lambda: asyncio.run(take(taken, done)))
    holder.start()
    try:
        assert taken.wait(SLOW_MACHINE_SECONDS)
        yield
    finally:
        done.set()
        holder.join()


@pytest.mark.nightly
def test_redis_that_lost_its_data(client: Client, other: Client, system: System) -> None:
    """When Redis comes back empty, revoked tokens stay revoked, and new revocations arrive."""
    before, after = client.join(), client.join()
    client.post("/api/auth/logout", token=before.access_token)
    system.kill("redis")
    system.start("redis")

    assert other.who(before.access_token).outcome == (401, "TOKEN_REVOKED")
    client.post("/api/auth/logout", token=after.access_token)
    wait_for(lambda: other.who(after.access_token).outcome == (401, "TOKEN_REVOKED"))
    assert other.who(before.access_token).outcome == (401, "TOKEN_REVOKED")


def test_without_redis(client: Client, other: Client, admin: User, system: System) -> None:
    """With Redis stopped both gateways refuse what is ended, by asking auth-service, and users sign in."""
    before = client.join()
    users = [client.join() for _ in ENDINGS]
    client.post("/api/auth/logout", token=before.access_token)
    with system.without("redis"):
        time.sleep(UNNOTICED_SECONDS)
        for gateway in (client, other):
            assert gateway.who(before.access_token).outcome == (401, "TOKEN_REVOKED")
        for end, user in zip(ENDINGS, users, strict=True):
            assert other.who(user.access_token).status == 200
            assert end(client, admin, user).status in {200, 204}, end
            assert client.who(user.access_token).outcome == (401, "TOKEN_REVOKED"), end
            assert other.who(user.access_token).outcome == (401, "TOKEN_REVOKED"), end
        for gateway in (client, other):
            newcomer = gateway.join()
            assert gateway.who(newcomer.access_token).status == 200
            assert (
                gateway.post("/api/auth/refresh", json={"refresh_token": newcomer.refresh_token}).status
                == 200
            )
    assert other.who(newcomer.access_token).status == 200

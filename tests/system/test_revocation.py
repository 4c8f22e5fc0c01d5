"""Revocation: what one gateway ends, another refuses within a second, with Redis and without."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.system.client import PASSWORD, Answer, Client, User
from tests.system.running_system import System

SECOND = 1.0


@pytest.fixture(scope="module", name="other")
def _other(system: System) -> Iterator[Client]:
    """Another gateway of the same system."""
    with system.gateway() as url, Client(url) as client:
        yield client


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
    """The gateway that took the call refuses at once, another one within a second."""
    user = client.join()
    assert other.who(user.access_token).status == 200
    assert end(client, admin, user).status in {200, 204}
    ended_at = time.monotonic()

    assert client.who(user.access_token).outcome == (401, "TOKEN_REVOKED")
    while other.who(user.access_token).status != 401 and time.monotonic() - ended_at < 5:
        time.sleep(0.01)
    took_seconds = time.monotonic() - ended_at
    assert other.who(user.access_token).outcome == (401, "TOKEN_REVOKED")
    assert took_seconds < SECOND


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
    time.sleep(SECOND)

    assert other.who(elsewhere.access_token).outcome == (401, "TOKEN_REVOKED")
    assert other.who(user.access_token).status == 200


def test_cached_read_is_dropped_everywhere(client: Client, other: Client, admin: User) -> None:
    """A read that another gateway keeps is dropped when the user changes: no stale name is served."""
    user = client.join()
    other.who(user.access_token)
    client.put(f"/api/users/{user.id}", token=admin.access_token, json={"full_name": "Renamed"})

    assert client.who(user.access_token).data["full_name"] == "Renamed"
    time.sleep(SECOND)
    assert other.who(user.access_token).data["full_name"] == "Renamed"


def test_gateway_that_starts_later_knows(client: Client, system: System) -> None:
    """A gateway that was not there when a token was revoked refuses it from its first request on."""
    user = client.join()
    client.post("/api/auth/logout", token=user.access_token)
    with system.gateway() as url, Client(url) as late:
        assert late.who(user.access_token).outcome == (401, "TOKEN_REVOKED")


def test_without_auth_service(client: Client, system: System) -> None:
    """Good tokens are read without auth-service; what needs it says so."""
    user = client.join()
    assert client.who(user.access_token).status == 200
    with system.without("auth-service"):
        assert client.who(user.access_token).status == 200
        refused = client.post("/api/auth/login", json={"email": user.email, "password": PASSWORD})
        assert refused.outcome == (503, "UNAVAILABLE")
    client.sign_in(user)


def test_redis_that_lost_its_data(client: Client, other: Client, system: System) -> None:
    """When Redis comes back empty nothing that was revoked is good again, and new revocations arrive."""
    before, after = client.join(), client.join()
    client.post("/api/auth/logout", token=before.access_token)
    system.kill("redis")
    system.start("redis")
    time.sleep(SECOND)

    assert other.who(before.access_token).outcome == (401, "TOKEN_REVOKED")
    client.post("/api/auth/logout", token=after.access_token)
    deadline = time.monotonic() + 5
    while other.who(after.access_token).status != 401 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert other.who(after.access_token).outcome == (401, "TOKEN_REVOKED")


def test_without_redis(client: Client, other: Client, admin: User, system: System) -> None:
    """With Redis stopped both gateways refuse what is ended, by asking auth-service, and users sign in."""
    before = client.join()
    users = [client.join() for _ in ENDINGS]
    client.post("/api/auth/logout", token=before.access_token)
    with system.without("redis"):
        # Until a gateway notices, its memory is as fresh as the last word from Redis: under a second.
        time.sleep(SECOND + 0.2)
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

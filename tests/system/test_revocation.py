"""Revocation: what one gateway ends, another refuses within a second, with Redis and without."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.system.edge import PASSWORD, Answer, Edge, Person
from tests.system.house import House

SECOND = 1.0


@pytest.fixture(scope="module", name="other")
def _other(house: House) -> Iterator[Edge]:
    """Another gateway of the same house."""
    with house.gateway() as url, Edge(url) as edge:
        yield edge


Ending = Callable[[Edge, Person, Person], Answer]


def _log_out(edge: Edge, admin: Person, person: Person) -> Answer:
    return edge.post("/api/auth/logout", token=person.access_token)


def _log_out_everywhere(edge: Edge, admin: Person, person: Person) -> Answer:
    return edge.post("/api/auth/logout-all", token=person.access_token)


def _change_role(edge: Edge, admin: Person, person: Person) -> Answer:
    return edge.put(f"/api/users/{person.id}", token=admin.access_token, json={"role": "admin"})


def _deactivate(edge: Edge, admin: Person, person: Person) -> Answer:
    return edge.put(f"/api/users/{person.id}", token=admin.access_token, json={"is_active": False})


def _delete(edge: Edge, admin: Person, person: Person) -> Answer:
    return edge.delete(f"/api/users/{person.id}", token=admin.access_token)


def _leave(edge: Edge, admin: Person, person: Person) -> Answer:
    return edge.delete("/api/users/me", token=person.access_token, json={"password": PASSWORD})


ENDINGS = [_log_out, _log_out_everywhere, _change_role, _deactivate, _delete, _leave]


@pytest.mark.parametrize("end", ENDINGS)
def test_other_gateway_refuses(edge: Edge, other: Edge, admin: Person, end: Ending) -> None:
    """The gateway that took the call refuses at once, another one within a second."""
    person = edge.join()
    assert other.who(person.access_token).status == 200
    assert end(edge, admin, person).status in {200, 204}
    ended_at = time.monotonic()

    assert edge.who(person.access_token).outcome == (401, "TOKEN_REVOKED")
    while other.who(person.access_token).status != 401 and time.monotonic() - ended_at < 5:
        time.sleep(0.01)
    took_seconds = time.monotonic() - ended_at
    assert other.who(person.access_token).outcome == (401, "TOKEN_REVOKED")
    assert took_seconds < SECOND


def test_password_change_at_the_other_gateway(edge: Edge, other: Edge) -> None:
    """A new password ends the other sessions everywhere, and not this one."""
    person = edge.join()
    elsewhere = other.sign_in(person)
    answer = edge.put(
        "/api/users/me/password",
        token=person.access_token,
        json={"old_password": PASSWORD, "new_password": "copper-lantern-orbit-fern"},
    )
    assert answer.status == 204
    time.sleep(SECOND)

    assert other.who(elsewhere.access_token).outcome == (401, "TOKEN_REVOKED")
    assert other.who(person.access_token).status == 200


def test_cached_read_is_dropped_everywhere(edge: Edge, other: Edge, admin: Person) -> None:
    """A read that another gateway keeps is dropped when the person changes: no stale name is served."""
    person = edge.join()
    other.who(person.access_token)
    edge.put(f"/api/users/{person.id}", token=admin.access_token, json={"full_name": "Renamed"})

    assert edge.who(person.access_token).data["full_name"] == "Renamed"
    time.sleep(SECOND)
    assert other.who(person.access_token).data["full_name"] == "Renamed"


def test_gateway_that_starts_later_knows(edge: Edge, house: House) -> None:
    """A gateway that was not there when a token was revoked refuses it from its first request on."""
    person = edge.join()
    edge.post("/api/auth/logout", token=person.access_token)
    with house.gateway() as url, Edge(url) as late:
        assert late.who(person.access_token).outcome == (401, "TOKEN_REVOKED")


def test_without_auth_service(edge: Edge, house: House) -> None:
    """Good tokens are read without auth-service; what needs it says so."""
    person = edge.join()
    assert edge.who(person.access_token).status == 200
    with house.without("auth-service"):
        assert edge.who(person.access_token).status == 200
        refused = edge.post("/api/auth/login", json={"email": person.email, "password": PASSWORD})
        assert refused.outcome == (503, "UNAVAILABLE")
    edge.sign_in(person)


def test_redis_that_lost_its_data(edge: Edge, other: Edge, house: House) -> None:
    """When Redis comes back empty nothing that was revoked is good again, and new revocations arrive."""
    before, after = edge.join(), edge.join()
    edge.post("/api/auth/logout", token=before.access_token)
    house.kill("redis")
    house.start("redis")
    time.sleep(SECOND)

    assert other.who(before.access_token).outcome == (401, "TOKEN_REVOKED")
    edge.post("/api/auth/logout", token=after.access_token)
    deadline = time.monotonic() + 5
    while other.who(after.access_token).status != 401 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert other.who(after.access_token).outcome == (401, "TOKEN_REVOKED")


def test_without_redis(edge: Edge, other: Edge, admin: Person, house: House) -> None:
    """With Redis stopped both gateways refuse what is ended, by asking auth-service, and people sign in."""
    before = edge.join()
    people = [edge.join() for _ in ENDINGS]
    edge.post("/api/auth/logout", token=before.access_token)
    with house.without("redis"):
        # Until a gateway notices, its memory is as fresh as the last word from Redis: under a second.
        time.sleep(SECOND + 0.2)
        for gateway in (edge, other):
            assert gateway.who(before.access_token).outcome == (401, "TOKEN_REVOKED")
        for end, person in zip(ENDINGS, people, strict=True):
            assert other.who(person.access_token).status == 200
            assert end(edge, admin, person).status in {200, 204}, end
            assert edge.who(person.access_token).outcome == (401, "TOKEN_REVOKED"), end
            assert other.who(person.access_token).outcome == (401, "TOKEN_REVOKED"), end
        for gateway in (edge, other):
            newcomer = gateway.join()
            assert gateway.who(newcomer.access_token).status == 200
            assert (
                gateway.post("/api/auth/refresh", json={"refresh_token": newcomer.refresh_token}).status
                == 200
            )
    assert other.who(newcomer.access_token).status == 200

"""How API keys end: by themselves, by their person and with their person, at every gateway."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.system.edge import PASSWORD, Answer, Edge, Person
from tests.system.house import House
from tests.system.machines import KEYS, audited, made

SECOND = 1.0
NEW_PASSWORD = "copper-lantern-orbit-fern"


@pytest.fixture(scope="module", name="other")
def _other(house: House) -> Iterator[Edge]:
    """Another gateway of the same house."""
    with house.gateway() as url, Edge(url) as edge:
        yield edge


def test_expired(edge: Edge, admin: Person, house: House) -> None:
    """Refused from its time on, remembered or not; audited once, however often a machine tries."""
    ada = edge.join(proven=True)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    key = made(edge, ada, expires_at=soon.isoformat())
    assert edge.who(key["key"]).status == 200
    while datetime.now(UTC) < soon + timedelta(seconds=0.2):
        time.sleep(0.05)

    assert edge.who(key["key"]).outcome == (401, "TOKEN_EXPIRED")
    assert edge.who(key["key"]).outcome == (401, "TOKEN_EXPIRED")
    assert [found["id"] for found in edge.get(KEYS, token=ada.access_token).data] == [key["id"]]
    refused = ("auth.api_key_refused", "refused", "TOKEN_EXPIRED", "any")
    assert audited(edge, admin, key["id"]) == [("auth.api_key_created", "success", None, None), refused]


Ending = Callable[[Edge, Person, Person, str], Answer]


def _delete_key(edge: Edge, admin: Person, person: Person, key_id: str) -> Answer:
    return edge.delete(f"{KEYS}/{key_id}", token=person.access_token)


def _deactivate(edge: Edge, admin: Person, person: Person, key_id: str) -> Answer:
    return edge.put(f"/api/users/{person.id}", token=admin.access_token, json={"is_active": False})


def _erase(edge: Edge, admin: Person, person: Person, key_id: str) -> Answer:
    return edge.delete(f"/api/users/{person.id}", token=admin.access_token)


def _leave(edge: Edge, admin: Person, person: Person, key_id: str) -> Answer:
    return edge.delete("/api/users/me", token=person.access_token, json={"password": PASSWORD})


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (_delete_key, "TOKEN_REVOKED"),
        (_deactivate, "TOKEN_REVOKED"),
        (_erase, "TOKEN_INVALID"),
        (_leave, "TOKEN_INVALID"),
    ],
)
def test_the_end(edge: Edge, other: Edge, admin: Person, end: Ending, code: str) -> None:
    """The gateway that took the call refuses the key at once, another one within a second."""
    person = edge.join(proven=True)
    key = made(edge, person)
    for gateway in (edge, other):
        assert gateway.who(key["key"]).status == 200
    assert end(edge, admin, person, key["id"]).status in {200, 204}
    ended_at = time.monotonic()

    assert edge.who(key["key"]).outcome == (401, code)
    while other.who(key["key"]).status != 401 and time.monotonic() - ended_at < 5:
        time.sleep(0.01)
    took_seconds = time.monotonic() - ended_at
    assert other.who(key["key"]).outcome == (401, code)
    assert took_seconds < SECOND


def test_a_new_role_counts_at_once(edge: Edge, other: Edge, admin: Person) -> None:
    """The key goes on, with its scopes and the person's role: down and up again."""
    person = edge.join(proven=True)
    path = f"/api/users/{person.id}"
    assert edge.put(path, token=admin.access_token, json={"role": "admin"}).status == 200
    key = made(edge, edge.sign_in(person), "read", "admin")["key"]
    for role, status in (("user", 403), ("admin", 200)):
        for gateway in (edge, other):
            assert gateway.who(key).status == 200
        assert edge.get("/api/users", token=key).status != status
        assert edge.put(path, token=admin.access_token, json={"role": role}).status == 200
        changed_at = time.monotonic()
        assert edge.get("/api/users", token=key).status == status
        while other.get("/api/users", token=key).status != status and time.monotonic() - changed_at < 5:
            time.sleep(0.01)
        assert time.monotonic() - changed_at < SECOND


def test_keys_outlive_sessions(edge: Edge, other: Edge) -> None:
    """Signing out everywhere and a new password end sessions; machines go on."""
    person = edge.join(proven=True)
    key = made(edge, person)["key"]
    body = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert edge.put("/api/users/me/password", token=person.access_token, json=body).status == 204
    assert edge.post("/api/auth/logout-all", token=person.access_token).status == 204
    assert edge.who(person.access_token).outcome == (401, "TOKEN_REVOKED")
    for gateway in (edge, other):
        assert gateway.who(key).status == 200


def test_deactivated_and_back(edge: Edge, admin: Person) -> None:
    """A person who is active again has their machines back."""
    person = edge.join(proven=True)
    key = made(edge, person)["key"]
    for is_active, status in ((False, 401), (True, 200)):
        path, body = f"/api/users/{person.id}", {"is_active": is_active}
        assert edge.put(path, token=admin.access_token, json=body).status == 200
        assert edge.who(key).status == status


def test_erased_with_the_person(edge: Edge, house: House) -> None:
    """No row is left."""
    ada = edge.join(proven=True)
    key = made(edge, ada)
    assert edge.delete("/api/users/me", token=ada.access_token, json={"password": PASSWORD}).status == 204

    assert house.rows("SELECT count(*) FROM auth.api_keys WHERE id = $1", key["id"]) == [(0,)]


def test_without_redis(edge: Edge, other: Edge, house: House) -> None:
    """With the stream away keys work, and what is deleted is refused all the same."""
    ada = edge.join(proven=True)
    kept, deleted = made(edge, ada), made(edge, ada)
    for gateway in (edge, other):
        assert gateway.who(deleted["key"]).status == 200
    with house.without("redis"):
        time.sleep(SECOND + 0.2)
        assert edge.delete(f"{KEYS}/{deleted['id']}", token=ada.access_token).status == 204
        for gateway in (edge, other):
            assert gateway.who(deleted["key"]).outcome == (401, "TOKEN_REVOKED")
            assert gateway.who(kept["key"]).status == 200

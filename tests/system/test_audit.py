"""The audit log: every change and sign-in is in it, nobody's data is, and its chain holds."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.system.edge import PASSWORD, TIME, UUID7, Edge, Person, new_email
from tests.system.house import House

Entries = list[dict[str, Any]]


@pytest.fixture(name="about")
def _about(edge: Edge, admin: Person) -> Callable[..., Entries]:
    """Lists the entries about a person once there are as many as asked for."""

    def about(subject_id: str, at_least: int = 1) -> Entries:
        deadline = time.monotonic() + 20
        while True:
            query = {"subject_id": subject_id, "page_size": 100}
            found: Entries = edge.get("/api/admin/audit-events", token=admin.access_token, params=query).data
            if len(found) >= at_least or time.monotonic() > deadline:
                return found
            time.sleep(0.1)

    return about


def test_entry(edge: Edge, about: Callable[..., Entries]) -> None:
    """An entry says who did what to whom, when, from where, in which request."""
    person = edge.register()
    with Edge(edge.url, {"user-agent": "Phone/1.0", "x-request-id": "audited-request"}) as phone:
        phone.sign_in(person)
    entry = next(entry for entry in about(person.id, 2) if entry["action"] == "auth.login")

    assert UUID7.fullmatch(entry["id"])
    assert TIME.fullmatch(entry["occurred_at"])
    assert (person.id, person.id, "success", "127.0.0.1", "Phone/1.0", "audited-request") == tuple(
        entry[name] for name in ("actor_id", "subject_id", "outcome", "ip", "user_agent", "request_id")
    )
    assert len(entry["hash"]) == 64


def test_life_of_a_person(edge: Edge, admin: Person, about: Callable[..., Entries]) -> None:
    """Every change of a person and every sign-in, good or bad, leaves an entry in its order."""
    person = edge.join()
    edge.post("/api/auth/login", json={"email": person.email, "password": "wrong-guess-of-eve"})
    edge.put("/api/users/me", token=person.access_token, json={"full_name": "Renamed"})
    refreshed = edge.post("/api/auth/refresh", json={"refresh_token": person.refresh_token}).data
    edge.put(
        "/api/users/me/password",
        token=refreshed["access_token"],
        json={"old_password": PASSWORD, "new_password": "copper-lantern-orbit-fern"},
    )
    path = f"/api/users/{person.id}"
    edge.put(path, token=admin.access_token, json={"role": "admin"})
    edge.put(path, token=admin.access_token, json={"is_active": False})
    edge.delete(path, token=admin.access_token)
    entries = about(person.id, 14)
    outcomes = [(entry["action"], entry["outcome"]) for entry in entries]

    assert {entry["action"].partition(".")[0] for entry in entries} <= {"auth", "users"}
    assert {("auth.register", "success"), ("auth.login", "success")} <= set(outcomes)
    assert any(action.startswith("auth.login") and outcome != "success" for action, outcome in outcomes)
    by_admin = [entry for entry in entries if entry["actor_id"] == admin.id]
    assert len(by_admin) >= 3
    assert len([action for action, _ in outcomes if action.startswith("users.")]) >= 4
    assert any("password" in action for action, _ in outcomes)
    sequences = [entry["sequence"] for entry in entries]
    assert sorted(sequences, reverse=True) == sequences
    spoken = str(entries)
    for secret in (person.email, person.full_name, "Renamed", PASSWORD, person.refresh_token):
        assert secret not in spoken


def test_reuse_is_audited(edge: Edge, about: Callable[..., Entries]) -> None:
    """A spent refresh token that comes back is written down as what it is."""
    person = edge.join()
    token = person.refresh_token
    for _ in range(2):
        token = edge.post("/api/auth/refresh", json={"refresh_token": token}).data["refresh_token"]
    edge.post("/api/auth/refresh", json={"refresh_token": person.refresh_token})

    assert "auth.refresh_reused" in {entry["action"] for entry in about(person.id, 2)}


def test_unknown_address_is_not_audited(edge: Edge, admin: Person) -> None:
    """A sign-in to an address that nobody has is counted, and writes nothing: anyone could fill the chain."""
    email = new_email()
    edge.post(
        "/api/auth/login",
        json={"email": email, "password": "wrong-guess-of-eve"},
        headers={"x-request-id": "stranger"},
    )
    found = edge.get("/api/admin/audit-events", token=admin.access_token, params={"page_size": 100})

    assert [entry for entry in found.data if entry["request_id"] == "stranger"] == []
    assert email not in found.text


def test_filters(edge: Edge, admin: Person, about: Callable[..., Entries]) -> None:
    """Filters by actor, subject, action and time hold together."""
    person = edge.register()
    since = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    edge.sign_in(person)
    edge.put(f"/api/users/{person.id}", token=admin.access_token, json={"full_name": "Renamed"})
    about(person.id, 4)

    def actions(**query: str) -> set[tuple[str, str]]:
        answer = edge.get(
            "/api/admin/audit-events", token=admin.access_token, params={"subject_id": person.id, **query}
        )
        return {(entry["action"].partition(".")[0], entry["actor_id"]) for entry in answer.data}

    assert {("users", admin.id)} == actions(actor_id=admin.id)
    assert {("auth", person.id)} == actions(action="auth.login")
    assert ("auth", person.id) in actions(since=since)
    assert all(entry["occurred_at"] >= since[:19] for entry in about(person.id))
    assert set() == actions(since=since, until=since)


def test_pages(edge: Edge, admin: Person) -> None:
    """The log is paged like every list, the newest entries first."""
    first = edge.get("/api/admin/audit-events", token=admin.access_token, params={"page_size": 2})
    query = {"page_size": 2, "cursor": first.pagination["next_cursor"]}
    second = edge.get("/api/admin/audit-events", token=admin.access_token, params=query)
    sequences = [entry["sequence"] for entry in first.data + second.data]

    assert [sequences[0] - number for number in range(4)] == sequences


def test_chain(edge: Edge, admin: Person) -> None:
    """The chain is intact from its first entry to its head, over all that the tests did."""
    edge.join()
    answer = edge.get("/api/admin/audit-events/verify", token=admin.access_token)

    assert answer.outcome == (200, None)
    assert answer.data["intact"] is True
    assert answer.data["events"] > 0
    assert len(answer.data["head"]) == 64
    newest = edge.get("/api/admin/audit-events", token=admin.access_token, params={"page_size": 1})
    assert newest.data[0]["sequence"] >= answer.data["events"]


def test_head_is_signed(edge: Edge, admin: Person, house: House) -> None:
    """What happened is soon under a signature, as admins see at the edge and operators by command."""
    edge.join()
    newest = edge.get("/api/admin/audit-events", token=admin.access_token, params={"page_size": 1}).data[0]
    deadline = time.monotonic() + 30
    while True:
        found = edge.get("/api/admin/audit-events/verify", token=admin.access_token).data
        if found["signed_until"] >= newest["sequence"]:
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.2)

    assert found["intact"] is True
    assert found["signed_heads"] >= 1
    assert house.command("audit", "verify").startswith("intact: ")


def test_refused_authorization_is_logged(edge: Edge, house: House) -> None:
    """Who asked for what and was not allowed to is in the gateway's log, whatever else is audited."""
    person = edge.join()
    request_id = f"refused-{person.id}"
    refused = edge.get("/api/users", token=person.access_token, headers={"x-request-id": request_id})
    assert refused.status == 403
    log = house.folder / "logs" / "gateway.log"
    deadline = time.monotonic() + 5
    while True:
        lines = [line for line in log.read_text("utf-8").splitlines() if request_id in line]
        if lines or time.monotonic() > deadline:
            break
        time.sleep(0.1)

    (line,) = lines
    assert "403" in line
    assert person.id in line
    assert "/api/users" in line

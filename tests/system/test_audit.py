"""The audit log has every change and sign-in and no personal data, and its chain is intact."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.system.client import PASSWORD, TIME, UUID7, Client, User, new_email
from tests.system.running_system import System
from tests.waiting import wait_for

Entries = list[dict[str, Any]]


@pytest.fixture(name="about")
def _about(client: Client, admin: User) -> Callable[..., Entries]:
    """Lists the entries about a user, once there are `at_least` of them."""

    def about(subject_id: str, at_least: int = 1) -> Entries:
        query = {"subject_id": subject_id, "page_size": 100}

        def found() -> Entries | None:
            answer = client.get("/api/admin/audit-events", token=admin.access_token, params=query)
            return answer.data if len(answer.data) >= at_least else None

        return wait_for(found)

    return about


def test_entry(client: Client, about: Callable[..., Entries]) -> None:
    """An entry has actor, action, subject, time, client address and request."""
    user = client.register()
    with Client(client.url, {"user-agent": "Phone/1.0", "x-request-id": "audited-request"}) as phone:
        phone.sign_in(user)
    entry = next(entry for entry in about(user.id, 2) if entry["action"] == "auth.login")

    assert UUID7.fullmatch(entry["id"])
    assert TIME.fullmatch(entry["occurred_at"])
    assert (user.id, user.id, "success", "127.0.0.1", "Phone/1.0", "audited-request") == tuple(
        entry[name] for name in ("actor_id", "subject_id", "outcome", "ip", "user_agent", "request_id")
    )
    assert len(entry["hash"]) == 64


def test_life_of_a_user(client: Client, admin: User, about: Callable[..., Entries]) -> None:
    """Every change of a user and every sign-in, successful or not, adds an entry, in order."""
    user = client.join()
    client.post("/api/auth/login", json={"email": user.email, "password": "wrong-guess-of-eve"})
    client.put("/api/users/me", token=user.access_token, json={"full_name": "Renamed"})
    refreshed = client.post("/api/auth/refresh", json={"refresh_token": user.refresh_token}).data
    client.put(
        "/api/users/me/password",
        token=refreshed["access_token"],
        json={"old_password": PASSWORD, "new_password": "copper-lantern-orbit-fern"},
    )
    path = f"/api/users/{user.id}"
    client.put(path, token=admin.access_token, json={"role": "admin"})
    client.put(path, token=admin.access_token, json={"is_active": False})
    client.delete(path, token=admin.access_token)
    entries = about(user.id, 14)
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
    for secret in (user.email, user.full_name, "Renamed", PASSWORD, user.refresh_token):
        assert secret not in spoken


def test_reuse_is_audited(client: Client, about: Callable[..., Entries]) -> None:
    """Reuse of a spent refresh token is recorded as such."""
    user = client.join()
    token = user.refresh_token
    for _ in range(2):
        token = client.post("/api/auth/refresh", json={"refresh_token": token}).data["refresh_token"]
    client.post("/api/auth/refresh", json={"refresh_token": user.refresh_token})

    assert "auth.refresh_reused" in {entry["action"] for entry in about(user.id, 2)}


def test_unknown_address_is_not_audited(client: Client, admin: User) -> None:
    """A sign-in with an unknown address is counted and not audited: otherwise anyone could fill the log."""
    email = new_email()
    client.post(
        "/api/auth/login",
        json={"email": email, "password": "wrong-guess-of-eve"},
        headers={"x-request-id": "stranger"},
    )
    found = client.get("/api/admin/audit-events", token=admin.access_token, params={"page_size": 100})

    assert [entry for entry in found.data if entry["request_id"] == "stranger"] == []
    assert email not in found.text


def test_filters(client: Client, admin: User, about: Callable[..., Entries]) -> None:
    """Filters by actor, subject, action and time are combined."""
    user = client.register()
    since = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    client.sign_in(user)
    client.put(f"/api/users/{user.id}", token=admin.access_token, json={"full_name": "Renamed"})
    about(user.id, 4)

    def found(**query: str) -> Entries:
        params = {"subject_id": user.id, **query}
        entries: Entries = client.get("/api/admin/audit-events", token=admin.access_token, params=params).data
        return entries

    def actions(**query: str) -> set[tuple[str, str]]:
        return {(entry["action"].partition(".")[0], entry["actor_id"]) for entry in found(**query)}

    assert {("users", admin.id)} == actions(actor_id=admin.id)
    assert {("auth", user.id)} == actions(action="auth.login")
    assert ("auth", user.id) in actions(since=since)
    assert all(entry["occurred_at"] >= since[:19] for entry in found(since=since))
    assert set() == actions(since=since, until=since)


def test_pages(client: Client, admin: User) -> None:
    """The log is paged like every list, the newest entries first."""
    first = client.get("/api/admin/audit-events", token=admin.access_token, params={"page_size": 2})
    query = {"page_size": 2, "cursor": first.pagination["next_cursor"]}
    second = client.get("/api/admin/audit-events", token=admin.access_token, params=query)
    sequences = [entry["sequence"] for entry in first.data + second.data]

    assert [sequences[0] - number for number in range(4)] == sequences


def test_chain(client: Client, admin: User) -> None:
    """The chain is intact from its first entry to its head."""
    client.join()
    answer = client.get("/api/admin/audit-events/verify", token=admin.access_token)

    assert answer.outcome == (200, None)
    assert answer.data["intact"] is True
    assert answer.data["events"] > 0
    assert len(answer.data["head"]) == 64
    newest = client.get("/api/admin/audit-events", token=admin.access_token, params={"page_size": 1})
    assert newest.data[0]["sequence"] >= answer.data["events"]


def test_head_is_signed(client: Client, admin: User, system: System) -> None:
    """New entries are soon covered by a signature, as admins see it by the API and operators by command."""
    client.join()
    newest = client.get("/api/admin/audit-events", token=admin.access_token, params={"page_size": 1}).data[0]

    def covered() -> dict[str, Any] | None:
        answer: dict[str, Any] = client.get("/api/admin/audit-events/verify", token=admin.access_token).data
        return answer if answer["signed_until"] >= newest["sequence"] else None

    found = wait_for(covered)

    assert found["intact"] is True
    assert found["signed_heads"] >= 1
    assert system.command("audit", "verify").startswith("intact: ")


def test_refused_authorization_is_logged(client: Client, system: System) -> None:
    """The gateway's log has the user, the route and the status of a call that was not allowed."""
    user = client.join()
    request_id = f"refused-{user.id}"
    refused = client.get("/api/users", token=user.access_token, headers={"x-request-id": request_id})
    assert refused.status == 403
    log = system.folder / "logs" / "gateway.log"

    (line,) = wait_for(lambda: [line for line in log.read_text("utf-8").splitlines() if request_id in line])
    assert "403" in line
    assert user.id in line
    assert "/api/users" in line

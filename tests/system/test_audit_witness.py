"""The witness of the audit log, on a stack of its own in which the schema's owner tampers with the log."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from devstack.stack import Stack

from tests.conftest import StackFolder
from tests.migrated_cluster import UNFLUSHED
from tests.system.client import Client, User
from tests.system.running_system import System
from tests.waiting import wait_for

pytestmark = pytest.mark.nightly

EMAIL, PASSWORD = "admin@vestibule.test", "Marble-Otter-Sunday-Lamp-94"
REMOVED = 53
"""How many entries the owner removes from the end of the log."""


@pytest.fixture(scope="module", name="witnessed")
def _witnessed(stack_folder: StackFolder) -> Iterator[System]:
    """A system that signs the head of its audit log often."""
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_RATE_LIMITS": "off",
        "AUTH_AUDIT_HEAD_SECONDS": "0.5",
        "BOOTSTRAP_ADMIN_EMAIL": EMAIL,
        "BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
    }
    with Stack(stack_folder("witness"), environment, postgres_settings=UNFLUSHED) as stack:
        yield System(stack)


@pytest.fixture(scope="module", name="client")
def _client(witnessed: System) -> Iterator[Client]:
    with Client(witnessed.base_url) as client:
        yield client


@pytest.fixture(scope="module", name="admin")
def _admin(client: Client) -> User:
    tokens = client.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD}).data
    user = client.who(tokens["access_token"]).data
    return User(user["id"], EMAIL, PASSWORD, user["full_name"], tokens["access_token"])


def _add_entries(client: Client, admin: User, count: int) -> None:
    """Adds entries to the audit log: each look at a user's sessions is one."""
    for _ in range(count):
        answer = client.get(f"/api/users/{admin.id}/sessions", token=admin.access_token)
        assert answer.status == 200, answer.text


def _verify(client: Client, admin: User) -> dict[str, Any]:
    answer = client.get("/api/admin/audit-events/verify", token=admin.access_token)
    assert answer.status == 200, answer.text
    return dict(answer.data)


def _is_witnessed(client: Client, admin: User) -> bool:
    report = _verify(client, admin)
    return bool(report["witnessed"] == report["events"])


def _auth_service(client: Client, token: str | None = None) -> dict[str, Any]:
    components = client.get("/api/health", token=token).data["components"]
    return dict(next(each for each in components if each["name"] == "auth-service"))


def test_heads_are_witnessed(client: Client, admin: User) -> None:
    """Soon health-aggregator keeps a signed head that covers every entry."""
    for _ in range(2):
        _add_entries(client, admin, 30)
        wait_for(lambda: _is_witnessed(client, admin))

    report = _verify(client, admin)
    assert report["intact"] is True
    assert report["events"] > REMOVED
    assert report["unwitnessed"] is None
    assert _auth_service(client)["degraded"] is False


def test_without_the_witness_the_log_is_not_called_intact(
    witnessed: System, client: Client, admin: User
) -> None:
    """The report says that the witness could not be asked."""
    with witnessed.without("health-aggregator"):
        report = _verify(client, admin)

    assert (report["intact"], report["witnessed"], report["first_broken"]) == (False, None, None)
    assert "unreachable" in report["unwitnessed"]
    wait_for(lambda: _verify(client, admin)["intact"])


def test_removed_entries_are_found(witnessed: System, client: Client, admin: User) -> None:
    """Entries removed from the end with their heads are reported, shown and audited, also after a restart."""
    _add_entries(client, admin, REMOVED)
    wait_for(lambda: _is_witnessed(client, admin))
    before = _verify(client, admin)
    last = before["events"] - REMOVED
    witnessed.run("auth_owner", "DELETE FROM auth.audit_heads WHERE sequence > $1", last)
    witnessed.run("auth_owner", "DELETE FROM auth.audit_events WHERE sequence > $1", last)

    report = _verify(client, admin)
    assert (report["intact"], report["first_broken"]) == (False, last + 1)
    assert report["witnessed"] == before["witnessed"]
    assert f"entries from {last + 1} to {before['witnessed']} were cut off" in report["problem"]
    wait_for(lambda: _auth_service(client)["degraded"])
    assert _auth_service(client)["error"] == "its audit log is not what was witnessed"
    assert _auth_service(client)["detail"] is None
    assert f"entry {before['witnessed']}" in _auth_service(client, admin.access_token)["detail"]
    assert client.get("/api/health").data["status"] == "degraded"

    witnessed.kill("auth-service")
    witnessed.start("auth-service")
    _add_entries(client, admin, REMOVED + 10)
    wait_for(
        lambda: witnessed.rows("SELECT 1 FROM auth.audit_events WHERE action = 'auth.audit_chain_broken'")
    )

    grown = _verify(client, admin)
    assert grown["events"] > before["events"]
    assert (grown["intact"], grown["first_broken"]) == (False, last + 1)
    assert witnessed.rows("SELECT 1 FROM auth.audit_heads WHERE sequence > $1", last) == []
    assert _auth_service(client)["degraded"] is True


def test_the_owner_of_the_witness_ends_the_alarm(witnessed: System, client: Client, admin: User) -> None:
    """Only the owner of schema `health` makes the witness forget heads; then signing and witnessing go on."""
    ((last,),) = witnessed.rows("SELECT coalesce(max(sequence), 0) FROM auth.audit_heads")
    refused = witnessed.forget_heads("health_aggregator", last)
    assert refused.returncode == 1
    forgotten = witnessed.forget_heads("health_owner", last)
    assert forgotten.returncode == 0, forgotten.stderr
    assert "forgotten: entry" in forgotten.stdout
    witnessed.kill("auth-service")
    witnessed.start("auth-service")

    wait_for(lambda: _verify(client, admin)["witnessed"] > last)
    assert _verify(client, admin)["intact"] is True
    wait_for(lambda: not _auth_service(client)["degraded"])

"""The witness of the audit, on a stack of its own whose audit the owner of the schema tampers with."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from devstack.stack import Stack

from tests.conftest import StackFolder
from tests.migrated_cluster import UNFLUSHED
from tests.system.client import Client
from tests.system.running_system import System

ADMIN, ADMIN_PASSWORD = "admin@vestibule.test", "Marble-Otter-Sunday-Lamp-94"
MISSING = 53


@pytest.fixture(scope="module", name="own")
def _own(stack_folder: StackFolder) -> Iterator[System]:
    """A system that signs heads quickly."""
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_RATE_LIMITS": "off",
        "AUTH_AUDIT_HEAD_SECONDS": "0.5",
        "BOOTSTRAP_ADMIN_EMAIL": ADMIN,
        "BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD,
    }
    with Stack(stack_folder("witness"), environment, postgres_settings=UNFLUSHED) as stack:
        yield System(stack)


@pytest.fixture(scope="module", name="client")
def _client(own: System) -> Iterator[Client]:
    with Client(own.base_url) as client:
        yield client


@pytest.fixture(scope="module", name="token")
def _token(client: Client) -> str:
    answer = client.post("/api/auth/login", json={"email": ADMIN, "password": ADMIN_PASSWORD})
    return str(answer.data["access_token"])


def _verify(client: Client, token: str) -> dict[str, Any]:
    answer = client.get("/api/admin/audit-events/verify", token=token)
    assert answer.status == 200, answer.text
    return dict(answer.data)


def _until(found: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _auth_service(client: Client, token: str | None = None) -> dict[str, Any]:
    components = client.get("/api/health", token=token).data["components"]
    return dict(next(each for each in components if each["name"] == "auth-service"))


def test_heads_are_witnessed(own: System, client: Client, token: str) -> None:
    """Within seconds every entry is under a head that health-aggregator keeps."""
    for _ in range(30):
        client.post("/api/auth/login", json={"email": ADMIN, "password": ADMIN_PASSWORD})
    _until(lambda: _verify(client, token)["witnessed"] == _verify(client, token)["events"])
    for _ in range(30):
        client.post("/api/auth/login", json={"email": ADMIN, "password": ADMIN_PASSWORD})
    _until(lambda: _verify(client, token)["witnessed"] == _verify(client, token)["events"])

    report = _verify(client, token)
    assert report["intact"] is True
    assert report["events"] > MISSING
    assert report["unwitnessed"] is None
    assert _auth_service(client)["degraded"] is False


def test_without_the_witness_nothing_is_called_intact(own: System, client: Client, token: str) -> None:
    """And what is missing is said."""
    with own.without("health-aggregator"):
        report = _verify(client, token)

    assert (report["intact"], report["witnessed"], report["first_broken"]) == (False, None, None)
    assert "cannot be asked" in report["unwitnessed"]
    _until(lambda: _verify(client, token)["intact"])


def test_the_owner_cuts_the_chain_off(own: System, client: Client, token: str) -> None:
    """Entries and heads are gone from the end: named, shown and on the record, after a restart too."""
    before = _verify(client, token)
    last = before["events"] - MISSING
    own.run("auth_owner", "DELETE FROM auth.audit_heads WHERE sequence > $1", last)
    own.run("auth_owner", "DELETE FROM auth.audit_events WHERE sequence > $1", last)

    report = _verify(client, token)
    assert (report["intact"], report["first_broken"]) == (False, last + 1)
    assert report["witnessed"] == before["witnessed"]
    assert f"entries from {last + 1} to {before['witnessed']} were cut off" in report["problem"]
    _until(lambda: bool(_auth_service(client)["degraded"]))
    assert _auth_service(client)["error"] == "its audit log is not what was witnessed"
    assert _auth_service(client)["detail"] is None
    assert f"entry {before['witnessed']}" in _auth_service(client, token)["detail"]
    assert client.get("/api/health").data["status"] == "degraded"

    own.kill("auth-service")
    own.start("auth-service")
    for _ in range(MISSING + 10):
        client.post("/api/auth/login", json={"email": ADMIN, "password": ADMIN_PASSWORD})
    _until(lambda: own.rows("SELECT 1 FROM auth.audit_events WHERE action = 'auth.audit_chain_broken'") != [])

    grown = _verify(client, token)
    assert grown["events"] > before["events"]
    assert (grown["intact"], grown["first_broken"]) == (False, last + 1)
    assert own.rows("SELECT 1 FROM auth.audit_heads WHERE sequence > $1", last) == []
    assert _auth_service(client)["degraded"] is True


def test_what_is_understood_is_settled(own: System, client: Client, token: str) -> None:
    """Only the owner of schema `health` makes the witness forget; then signing and witnessing go on."""
    ((last,),) = own.rows("SELECT max(sequence) FROM auth.audit_heads")
    refused = own.forget_heads("health_aggregator", last)
    assert refused.returncode == 1
    settled = own.forget_heads("health_owner", last)
    assert settled.returncode == 0, settled.stderr
    assert "forgotten: entry" in settled.stdout
    own.kill("auth-service")
    own.start("auth-service")

    _until(lambda: _verify(client, token)["witnessed"] > last)
    assert _verify(client, token)["intact"] is True
    _until(lambda: not _auth_service(client)["degraded"])

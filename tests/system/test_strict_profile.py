"""The strict profile, on a stack of its own: TLS between the services, admins with a second factor."""

import os
import time
from collections.abc import Iterator

import jwt
import pyotp
import pytest
from devstack.stack import Stack
from devstack.topology import SERVICES, Service

from tests.chassis.grpc.authority import Authority
from tests.command_line import ran
from tests.conftest import StackFolder
from tests.migrated_cluster import UNFLUSHED
from tests.system.client import PASSWORD, Answer, Client
from tests.system.machines import KEYS
from tests.system.running_system import System

pytestmark = pytest.mark.nightly

ADMIN = "admin@vestibule.test"
ADMIN_PASSWORD = "Marble-Otter-Sunday-Lamp-94"
MINUTE = 60


@pytest.fixture(scope="module", name="strict")
def _strict(stack_folder: StackFolder) -> Iterator[Stack]:
    folder = stack_folder("strict")
    Authority().write(folder / "tls", *(service.name for service in SERVICES))
    environment = {
        "PATH": os.environ["PATH"],
        "PROFILE": "strict",
        "KNOWLEDGE": "1",
        "VOICE": "1",
        "GATEWAY_TLS": "on",
        "TOKEN_ISSUER": "https://id.example.com",
        "TLS_CERT_FILE": str(folder / "tls" / "tls.crt"),
        "TLS_KEY_FILE": str(folder / "tls" / "tls.key"),
        "TLS_CA_FILE": str(folder / "tls" / "ca.crt"),
        "BOOTSTRAP_ADMIN_EMAIL": ADMIN,
        "BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD,
    }
    with Stack(folder, environment, postgres_settings=UNFLUSHED) as stack:
        yield stack


@pytest.fixture(name="strict_edge")
def _strict_edge(strict: Stack) -> Iterator[Client]:
    with Client(strict.base_url) as client:
        yield client


def _login(client: Client) -> Answer:
    return client.post("/api/auth/login", json={"email": ADMIN, "password": ADMIN_PASSWORD})


def _refresh(client: Client, token: str) -> Answer:
    return client.post("/api/auth/refresh", json={"refresh_token": token})


def test_admin_has_to_enrol(strict_edge: Client) -> None:
    """With the password alone an admin can only add a second factor, which then gives all rights."""
    client = strict_edge
    tokens = _login(client).data
    token = tokens["access_token"]

    assert tokens["role"] == "admin"
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["role"], claims["enrol"]) == ("user", True)
    closed = [
        client.get("/api/users", token=token),
        client.get("/api/admin/audit-events", token=token),
        client.get("/api/auth/sessions", token=token),
        client.get("/api/users/me/export", token=token),
        client.put("/api/users/me", token=token, json={"full_name": "Another Name"}),
        client.put(
            "/api/users/me/password",
            token=token,
            json={"old_password": ADMIN_PASSWORD, "new_password": PASSWORD},
        ),
        client.call("DELETE", "/api/users/me", token=token, json={"password": ADMIN_PASSWORD}),
    ]
    assert {answer.outcome for answer in closed} == {(403, "SECOND_FACTOR_REQUIRED")}
    assert client.who(token).data["email"] == ADMIN
    token = _refresh(client, tokens["refresh_token"]).data["access_token"]
    assert client.get("/api/users", token=token).code == "SECOND_FACTOR_REQUIRED"

    tokens = _login(client).data
    begun = client.post("/api/auth/mfa/totp", token=tokens["access_token"])
    totp = pyotp.TOTP(begun.data["secret"])
    code = totp.at(time.time() - 30)
    confirmed = client.post("/api/auth/mfa/totp/confirm", token=tokens["access_token"], json={"code": code})
    assert confirmed.outcome == (200, None)
    assert client.get("/api/users", token=tokens["access_token"]).code == "SECOND_FACTOR_REQUIRED"
    refreshed = _refresh(client, tokens["refresh_token"]).data
    assert client.get("/api/users", token=refreshed["access_token"]).outcome == (200, None)

    challenge = _login(client).data
    assert challenge["mfa_required"] is True
    proof = {"mfa_token": challenge["mfa_token"], "code": totp.now()}
    verified = client.post("/api/auth/mfa/verify", json=proof).data
    assert client.get("/api/users", token=verified["access_token"]).outcome == (200, None)


def test_keys_may_do_no_more_than_sessions(strict_edge: Client, strict: Stack) -> None:
    """At once: a key of a user who became an admin, and of an admin who turned the second factor off."""
    system, client = System(strict), strict_edge
    system.change("DELETE FROM auth.authenticators")
    system.change("UPDATE auth.credentials SET second_factor = false")
    tokens = _login(client).data
    begun = client.post("/api/auth/mfa/totp", token=tokens["access_token"])
    code = pyotp.TOTP(begun.data["secret"]).now()
    client.post("/api/auth/mfa/totp/confirm", token=tokens["access_token"], json={"code": code})
    admin = _refresh(client, tokens["refresh_token"]).data["access_token"]
    bob = client.join()
    system.change("UPDATE auth.credentials SET email_verified = true WHERE user_id = $1", bob.id)
    bobs = client.post(KEYS, token=bob.access_token, json={"name": "b", "scopes": ["read", "write"]}).data[
        "key"
    ]
    body = {"name": "directory", "scopes": ["read", "write", "admin"]}
    admins = client.post(KEYS, token=admin, json=body).data["key"]
    own = f"/api/users/{bob.id}"
    assert [client.get(own, token=key).status for key in (bobs, admins)] == [200, 200]

    assert client.put(own, token=admin, json={"role": "admin"}).status == 200
    assert client.get(own, token=bobs).outcome == (403, "SECOND_FACTOR_REQUIRED")
    assert client.get("/api/users", token=bobs).outcome == (403, "SECOND_FACTOR_REQUIRED")
    assert client.who(bobs).status == 200

    removed = client.call("DELETE", "/api/auth/mfa/totp", token=admin, json={"password": ADMIN_PASSWORD})
    assert removed.status == 204
    assert client.get("/api/users", token=admin).outcome == (401, "TOKEN_REVOKED")
    for path in (own, "/api/users", "/api/admin/audit-events"):
        assert client.get(path, token=admins).outcome == (403, "SECOND_FACTOR_REQUIRED")
    lock_out = client.put(own, token=admins, json={"is_active": False})
    assert lock_out.outcome == (403, "SECOND_FACTOR_REQUIRED")


def test_idle_sessions_end(strict_edge: Client, strict: Stack) -> None:
    """A session ends after 15 minutes without use; access tokens last five."""
    user = strict_edge.register()
    answer = strict_edge.post("/api/auth/login", json={"email": user.email, "password": PASSWORD})
    assert (answer.data["expires_in"], answer.data["refresh_expires_in"]) == (5 * MINUTE, 15 * MINUTE)
    claims = jwt.decode(answer.data["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 5 * MINUTE

    token = answer.data["refresh_token"]
    _pass_minutes(strict, user.id, 14)
    token = _refresh(strict_edge, token).data["refresh_token"]
    # A session from before the profile was strict may have lasted a week.
    _pass_minutes(strict, user.id, 16, "7 days")
    assert _refresh(strict_edge, token).outcome == (401, "TOKEN_EXPIRED")


def test_hsts(strict_edge: Client) -> None:
    """For a year, subdomains included."""
    answer = strict_edge.post("/api/auth/refresh", json={"refresh_token": "nonsense"})

    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_weak_settings_are_refused(strict: Stack, service: Service) -> None:
    """Every service lists its weak settings, one per line and without secrets, and does not start."""
    environment = dict(strict.services[service.name].environment)
    for name in ("TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CA_FILE"):
        del environment[name]
    environment["SERVICE_KEY"] = "change-me-change-me-change-me-change-me"
    status, said = ran(service.module, environment)

    refusal = "PROFILE=strict refuses to start: "
    assert status == 1
    assert said.splitlines() == [
        f"{refusal}TLS between the services is off: set TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE",
        f"{refusal}SERVICE_KEY is not safe: it is, or contains, a well-known example",
    ]


def _pass_minutes(stack: Stack, user_id: str, minutes: int, expires: str | None = None) -> None:
    """Moves a user's sessions into the past."""
    System(stack).change(
        "UPDATE auth.sessions SET created_at = created_at - make_interval(mins => $2),"
        " last_used_at = last_used_at - make_interval(mins => $2),"
        " rotated_at = rotated_at - make_interval(mins => $2),"
        " expires_at = coalesce(now() + $3::text::interval, expires_at - make_interval(mins => $2))"
        " WHERE user_id = $1::text::uuid",
        user_id,
        minutes,
        expires,
    )

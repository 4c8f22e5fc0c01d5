"""How API keys end: by expiry, by revocation and with their user, at every gateway."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.system.client import PASSWORD, Answer, Client, User
from tests.system.machines import KEYS, audited, made
from tests.system.running_system import System
from tests.waiting import wait_for

UNNOTICED_SECONDS = 1.2
"""How long a gateway may take to notice that Redis is away; until then it trusts what it has read."""

NEW_PASSWORD = "copper-lantern-orbit-fern"


def test_expired(client: Client, admin: User, system: System) -> None:
    """Refused as soon as it has expired, cached or not; audited once, however often a client tries."""
    ada = client.join(proven=True)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    key = made(client, ada, expires_at=soon.isoformat())
    assert client.who(key["key"]).status == 200
    while datetime.now(UTC) < soon + timedelta(seconds=0.2):
        time.sleep(0.05)

    assert client.who(key["key"]).outcome == (401, "TOKEN_EXPIRED")
    assert client.who(key["key"]).outcome == (401, "TOKEN_EXPIRED")
    assert [found["id"] for found in client.get(KEYS, token=ada.access_token).data] == [key["id"]]
    refused = ("auth.api_key_refused", "refused", "TOKEN_EXPIRED", "any")
    assert audited(client, admin, key["id"]) == [("auth.api_key_created", "success", None, None), refused]


Ending = Callable[[Client, User, User, str], Answer]


def _delete_key(client: Client, admin: User, user: User, key_id: str) -> Answer:
    return client.delete(f"{KEYS}/{key_id}", token=user.access_token)


def _deactivate(client: Client, admin: User, user: User, key_id: str) -> Answer:
    return client.put(f"/api/users/{user.id}", token=admin.access_token, json={"is_active": False})


def _erase(client: Client, admin: User, user: User, key_id: str) -> Answer:
    return client.delete(f"/api/users/{user.id}", token=admin.access_token)


def _leave(client: Client, admin: User, user: User, key_id: str) -> Answer:
    return client.delete("/api/users/me", token=user.access_token, json={"password": PASSWORD})


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (_delete_key, "TOKEN_REVOKED"),
        (_deactivate, "TOKEN_REVOKED"),
        (_erase, "TOKEN_INVALID"),
        (_leave, "TOKEN_INVALID"),
    ],
)
def test_the_end(client: Client, other: Client, admin: User, end: Ending, code: str) -> None:
    """The gateway that took the call refuses the key at once, another one soon."""
    user = client.join(proven=True)
    key = made(client, user)
    for gateway in (client, other):
        assert gateway.who(key["key"]).status == 200
    assert end(client, admin, user, key["id"]).status in {200, 204}

    assert client.who(key["key"]).outcome == (401, code)
    wait_for(lambda: other.who(key["key"]).outcome == (401, code))


def test_a_new_role_counts_at_once(client: Client, other: Client, admin: User) -> None:
    """The key stays valid, with its scopes and the user's new role."""
    user = client.join(proven=True)
    path = f"/api/users/{user.id}"
    assert client.put(path, token=admin.access_token, json={"role": "admin"}).status == 200
    key = made(client, client.sign_in(user), "read", "admin")["key"]
    for role, status in (("user", 403), ("admin", 200)):
        for gateway in (client, other):
            assert gateway.who(key).status == 200
        assert client.get("/api/users", token=key).status != status
        assert client.put(path, token=admin.access_token, json={"role": role}).status == 200
        assert client.get("/api/users", token=key).status == status
        wait_for(lambda: other.get("/api/users", token=key).status == status)  # noqa: B023 called at once


def test_keys_outlive_sessions(client: Client, other: Client) -> None:
    """Signing out everywhere and a new password end sessions, not API keys."""
    user = client.join(proven=True)
    key = made(client, user)["key"]
    body = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert client.put("/api/users/me/password", token=user.access_token, json=body).status == 204
    assert client.post("/api/auth/logout-all", token=user.access_token).status == 204
    assert client.who(user.access_token).outcome == (401, "TOKEN_REVOKED")
    for gateway in (client, other):
        assert gateway.who(key).status == 200


def test_deactivated_and_back(client: Client, admin: User) -> None:
    """The keys of a reactivated user work again."""
    user = client.join(proven=True)
    key = made(client, user)["key"]
    for is_active, status in ((False, 401), (True, 200)):
        path, body = f"/api/users/{user.id}", {"is_active": is_active}
        assert client.put(path, token=admin.access_token, json=body).status == 200
        assert client.who(key).status == status


def test_erased_with_the_user(client: Client, system: System) -> None:
    """No row is left."""
    ada = client.join(proven=True)
    key = made(client, ada)
    assert client.delete("/api/users/me", token=ada.access_token, json={"password": PASSWORD}).status == 204

    assert system.rows("SELECT count(*) FROM auth.api_keys WHERE id = $1", key["id"]) == [(0,)]


def test_without_redis(client: Client, other: Client, system: System) -> None:
    """Without the stream, valid keys work and deleted ones are refused."""
    ada = client.join(proven=True)
    kept, deleted = made(client, ada), made(client, ada)
    for gateway in (client, other):
        assert gateway.who(deleted["key"]).status == 200
    with system.without("redis"):
        time.sleep(UNNOTICED_SECONDS)
        assert client.delete(f"{KEYS}/{deleted['id']}", token=ada.access_token).status == 204
        for gateway in (client, other):
            assert gateway.who(deleted["key"]).outcome == (401, "TOKEN_REVOKED")
            assert gateway.who(kept["key"]).status == 200

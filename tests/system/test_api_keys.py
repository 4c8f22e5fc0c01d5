"""API keys: programs act for a user, within their scopes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.system.client import PASSWORD, UUID7, Answer, Client, User
from tests.system.machines import KEYS, audited, made
from tests.system.running_system import System

NEW_PASSWORD = "copper-lantern-orbit-fern"


def rename(client: Client, key: str) -> Answer:
    """Makes a change with a key."""
    return client.put("/api/users/me", token=key, json={"full_name": "Renamed"})


def test_shown_once(client: Client, ada: User, system: System) -> None:
    """Only the answer to its creation holds the key; neither the list nor Postgres has it."""
    expires_at = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = client.post(
        KEYS,
        token=ada.access_token,
        json={"name": "report", "scopes": ["write", "read"], "expires_at": expires_at},
    )
    key = answer.data
    listed = client.get(KEYS, token=ada.access_token)
    ((row,),) = system.rows("SELECT to_jsonb(k)::text FROM auth.api_keys AS k WHERE id = $1", key["id"])

    assert answer.outcome == (201, None)
    assert answer.headers["cache-control"] == "no-store"
    assert UUID7.fullmatch(key["id"])
    assert (key["name"], key["scopes"], key["last_used_at"]) == ("report", ["read", "write"], None)
    assert datetime.fromisoformat(key["expires_at"]) == datetime.fromisoformat(expires_at)
    assert key["prefix"].startswith("vst_")
    assert key["key"].startswith(key["prefix"] + "_")
    assert {name: value for name, value in key.items() if name != "key"} in listed.data
    secret = key["key"].removeprefix(key["prefix"])
    assert secret not in listed.text
    assert secret not in row


def test_scopes_are_enforced(client: Client, admin: User) -> None:
    """Scope `read` reads, `write` writes, both do both; refusals are audited and change nothing."""
    ada = client.join(proven=True)
    reader, writer = made(client, ada), made(client, ada, "write")
    both = made(client, ada, "read", "write")

    assert client.who(reader["key"]).data["id"] == ada.id
    assert client.get("/api/users/me/export", token=reader["key"]).outcome == (403, "FORBIDDEN")
    assert rename(client, reader["key"]).outcome == (403, "FORBIDDEN")
    assert client.who(both["key"]).data["full_name"] == ada.full_name
    assert client.who(writer["key"]).outcome == (403, "FORBIDDEN")
    assert rename(client, writer["key"]).status == 200
    assert client.who(both["key"]).data["full_name"] == "Renamed"
    assert rename(client, reader["key"]).outcome == (403, "FORBIDDEN")
    refused = ("auth.api_key_refused", "refused", "FORBIDDEN", "/vestibule.users.v1.UserService/UpdateMe")
    export = (*refused[:3], "/vestibule.users.v1.UserService/ExportMe")
    assert audited(client, admin, reader["id"]) == [
        ("auth.api_key_created", "success", None, None),
        export,
        refused,
    ]


def test_a_refusal_is_audited(client: Client, admin: User) -> None:
    """The entry has the owner, the client and the request."""
    ada = client.join(proven=True)
    key = made(client, ada)
    answer = client.put("/api/users/me", token=key["key"], json={}, headers={"user-agent": "a machine"})
    parameters = {"subject_id": ada.id, "action": "auth.api_key_refused"}
    (entry,) = client.get("/api/admin/audit-events", token=admin.access_token, params=parameters).data

    assert (entry["actor_id"], entry["ip"], entry["user_agent"]) == (ada.id, "127.0.0.1", "a machine")
    assert entry["request_id"] == answer.headers["x-request-id"]


def test_a_key_is_no_session(client: Client) -> None:
    """No scope allows what keeps or gives access."""
    ada = client.join(proven=True)
    key = made(client, ada, "read", "write")["key"]
    calls: list[Answer] = [
        client.post(KEYS, token=key, json={"name": "more", "scopes": ["read"]}),
        client.get(KEYS, token=key),
        client.delete(f"{KEYS}/{ada.id}", token=key),
        client.post("/api/auth/logout", token=key),
        client.post("/api/auth/logout-all", token=key),
        client.get("/api/auth/sessions", token=key),
        client.post("/api/auth/mfa/totp", token=key),
        client.delete("/api/users/me", token=key, json={"password": PASSWORD}),
        client.put(
            "/api/users/me/password",
            token=key,
            json={"old_password": PASSWORD, "new_password": NEW_PASSWORD},
        ),
    ]

    assert {call.outcome for call in calls} == {(403, "FORBIDDEN")}
    assert client.sign_in(ada).access_token


def test_role_counts_as_well(client: Client, first_admin: User) -> None:
    """A key may do what its user may, and an admin's rights only with the scope `admin`."""
    ada, admin = client.join(proven=True), client.sign_in(first_admin)
    body = {"name": "directory", "scopes": ["read", "admin"]}
    assert client.get("/api/users", token=made(client, ada)["key"]).outcome == (403, "FORBIDDEN")
    refused = client.post(KEYS, token=ada.access_token, json=body)
    assert (refused.outcome, refused.fields) == ((403, "FORBIDDEN"), {"scopes"})
    plain, admins = made(client, admin, "read", "write"), made(client, admin, "read", "admin")
    assert client.get("/api/users", token=plain["key"]).outcome == (403, "FORBIDDEN")
    assert client.get(f"/api/users/{ada.id}", token=plain["key"]).outcome == (403, "FORBIDDEN")
    assert client.get(f"/api/users/{admin.id}", token=plain["key"]).status == 200
    assert client.get("/api/users", token=admins["key"]).status == 200
    for key in (plain, admins):
        assert client.delete(f"{KEYS}/{key['id']}", token=admin.access_token).status == 204


def test_an_admins_key_locks_users_out(client: Client, admin: User) -> None:
    """A key may do nothing that needs a fresh proof, and is not asked for one."""
    bob = client.join()
    path = f"/api/users/{bob.id}"
    key, without_write = made(client, admin, "write", "admin"), made(client, admin, "read", "admin")
    refused = [
        client.put(path, token=without_write["key"], json={"is_active": False}),
        client.put(path, token=key["key"], json={"is_active": True}),
        client.put(path, token=key["key"], json={"is_active": False, "full_name": "Renamed"}),
        client.put(path, token=key["key"], json={"role": "admin"}),
        client.put(path, token=key["key"], json={"email": f"new-{bob.email}"}),
        client.put(f"/api/users/{admin.id}", token=key["key"], json={"is_active": False}),
        client.delete(path, token=key["key"]),
        client.put("/api/users/me", token=key["key"], json={"email": f"new-{admin.email}"}),
    ]
    assert {answer.outcome for answer in refused} == {(403, "FORBIDDEN")}
    assert client.who(bob.access_token).status == 200

    assert client.put(path, token=key["key"], json={"is_active": False}).status == 200
    assert client.who(bob.access_token).outcome == (401, "TOKEN_REVOKED")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a" * 101}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["read", "write", "admin", "read"]}, "scopes"),
        ({"scopes": ["root"]}, "scopes[0]"),
        ({"scopes": "read"}, "scopes"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "9999-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"key": "mine"}, "key"),
    ],
)
def test_bad_input(client: Client, ada: User, change: dict[str, Any], field: str) -> None:
    """Each wrong field is named, and no key is made."""
    before = client.get(KEYS, token=ada.access_token).data
    body = {"name": "report", "scopes": ["read"], "expires_at": None} | change
    answer = client.post(KEYS, token=ada.access_token, json=body)

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert answer.fields == {field}
    assert client.get(KEYS, token=ada.access_token).data == before


def test_forged_keys(client: Client, ada: User) -> None:
    """A wrong secret, an unknown prefix and another form get the same answer."""
    key = made(client, ada)["key"]
    flipped = key[:-1] + ("0" if key[-1] != "0" else "1")
    unknown = key.replace("vst_", "vst_aaaaaa")[: len(key)]
    for forged in (flipped, unknown, key[:-1], key + "0", key.upper(), "vst_", "vst_" + "a" * 5_000):
        assert client.who(forged).outcome == (401, "TOKEN_INVALID"), forged
    assert client.who(key).status == 200


def test_ones_own(client: Client) -> None:
    """No user sees or revokes another user's key; a second revocation is 404."""
    ada, bob = client.join(proven=True), client.join(proven=True)
    key = made(client, ada)
    path = f"{KEYS}/{key['id']}"

    assert client.get(KEYS, token=bob.access_token).data == []
    assert client.delete(path, token=bob.access_token).outcome == (404, "NOT_FOUND")
    assert client.get(KEYS).outcome == (401, "UNAUTHENTICATED")
    assert client.delete(path, token=ada.access_token).status == 204
    assert client.delete(path, token=ada.access_token).outcome == (404, "NOT_FOUND")
    assert client.delete(f"{KEYS}/no-id", token=ada.access_token).status == 422
    assert client.get(KEYS, token=ada.access_token).data == []


def test_last_use_is_recorded(client: Client) -> None:
    """From the first use on."""
    ada = client.join(proven=True)
    key = made(client, ada)
    client.who(key["key"])
    (listed,) = client.get(KEYS, token=ada.access_token).data

    age = datetime.now(UTC) - datetime.fromisoformat(listed["last_used_at"])
    assert timedelta(minutes=-1) < age < timedelta(minutes=1)


def test_exported(client: Client) -> None:
    """Everything but the secret, for revoked keys as well."""
    ada = client.join(proven=True)
    kept, revoked = made(client, ada), made(client, ada, name="old")
    client.delete(f"{KEYS}/{revoked['id']}", token=ada.access_token)
    answer = client.get("/api/users/me/export", token=ada.access_token)
    keys = answer.data["account"]["api_keys"]

    assert [(key["name"], key["prefix"], key["revoked_at"] is None) for key in keys] == [
        ("old", revoked["prefix"], False),
        (kept["name"], kept["prefix"], True),
    ]
    assert kept["key"].removeprefix(kept["prefix"]) not in answer.text

"""API keys: machines act for a person, within their scopes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.system.edge import PASSWORD, UUID7, Answer, Edge, Person
from tests.system.house import House
from tests.system.machines import KEYS, audited, made

NEW_PASSWORD = "copper-lantern-orbit-fern"


def rename(edge: Edge, key: str) -> Answer:
    """Writes with a key."""
    return edge.put("/api/users/me", token=key, json={"full_name": "Renamed"})


def test_shown_once(edge: Edge, ada: Person, house: House) -> None:
    """The answer holds the key; the list, and Postgres, never do."""
    expires_at = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = edge.post(
        KEYS,
        token=ada.access_token,
        json={"name": "report", "scopes": ["write", "read"], "expires_at": expires_at},
    )
    key = answer.data
    listed = edge.get(KEYS, token=ada.access_token)
    ((row,),) = house.rows("SELECT to_jsonb(k)::text FROM auth.api_keys AS k WHERE id = $1", key["id"])

    assert answer.outcome == (201, None)
    assert answer.headers["cache-control"] == "no-store"
    assert UUID7.fullmatch(key["id"])
    assert (key["name"], key["scopes"], key["last_used_at"]) == ("report", ["read", "write"], None)
    assert datetime.fromisoformat(key["expires_at"]) == datetime.fromisoformat(expires_at)
    assert key["prefix"].startswith("vst_")
    assert key["key"].startswith(key["prefix"] + "_")
    assert listed.data == [{name: value for name, value in key.items() if name != "key"}]
    secret = key["key"].removeprefix(key["prefix"])
    assert secret not in listed.text
    assert secret not in row


def test_scopes_are_enforced(edge: Edge, admin: Person) -> None:
    """Reading reads, writing writes, both do both; what is refused is audited and changes nothing."""
    ada = edge.join(proven=True)
    reader, writer = made(edge, ada), made(edge, ada, "write")
    both = made(edge, ada, "read", "write")

    assert edge.who(reader["key"]).data["id"] == ada.id
    assert edge.get("/api/users/me/export", token=reader["key"]).outcome == (403, "FORBIDDEN")
    assert rename(edge, reader["key"]).outcome == (403, "FORBIDDEN")
    assert edge.who(both["key"]).data["full_name"] == ada.full_name
    assert edge.who(writer["key"]).outcome == (403, "FORBIDDEN")
    assert rename(edge, writer["key"]).status == 200
    assert edge.who(both["key"]).data["full_name"] == "Renamed"
    assert rename(edge, reader["key"]).outcome == (403, "FORBIDDEN")
    refused = ("auth.api_key_refused", "refused", "FORBIDDEN", "/vestibule.users.v1.UserService/UpdateMe")
    export = (*refused[:3], "/vestibule.users.v1.UserService/ExportMe")
    assert audited(edge, admin, reader["id"]) == [
        ("auth.api_key_created", "success", None, None),
        export,
        refused,
    ]


def test_who_was_refused_is_told(edge: Edge, admin: Person) -> None:
    """The entry has the owner, the client and the request."""
    ada = edge.join(proven=True)
    key = made(edge, ada)
    answer = edge.put("/api/users/me", token=key["key"], json={}, headers={"user-agent": "a machine"})
    parameters = {"subject_id": ada.id, "action": "auth.api_key_refused"}
    (entry,) = edge.get("/api/admin/audit-events", token=admin.access_token, params=parameters).data

    assert (entry["actor_id"], entry["ip"], entry["user_agent"]) == (ada.id, "127.0.0.1", "a machine")
    assert entry["request_id"] == answer.headers["x-request-id"]


def test_a_key_is_no_session(edge: Edge) -> None:
    """Nothing that keeps or gives access can be done with it, whatever its scopes."""
    ada = edge.join(proven=True)
    key = made(edge, ada, "read", "write")["key"]
    calls: list[Answer] = [
        edge.post(KEYS, token=key, json={"name": "more", "scopes": ["read"]}),
        edge.get(KEYS, token=key),
        edge.delete(f"{KEYS}/{ada.id}", token=key),
        edge.post("/api/auth/logout", token=key),
        edge.post("/api/auth/logout-all", token=key),
        edge.get("/api/auth/sessions", token=key),
        edge.post("/api/auth/mfa/totp", token=key),
        edge.delete("/api/users/me", token=key, json={"password": PASSWORD}),
        edge.put(
            "/api/users/me/password",
            token=key,
            json={"old_password": PASSWORD, "new_password": NEW_PASSWORD},
        ),
    ]

    assert {call.outcome for call in calls} == {(403, "FORBIDDEN")}
    assert edge.sign_in(ada).access_token


def test_role_counts_as_well(edge: Edge, first_admin: Person) -> None:
    """A key does what its person may, not more; of what an admin may, only with the scope for it."""
    ada, admin = edge.join(proven=True), edge.sign_in(first_admin)
    body = {"name": "directory", "scopes": ["read", "admin"]}
    assert edge.get("/api/users", token=made(edge, ada)["key"]).outcome == (403, "FORBIDDEN")
    refused = edge.post(KEYS, token=ada.access_token, json=body)
    assert (refused.outcome, refused.fields) == ((403, "FORBIDDEN"), {"scopes"})
    plain, admins = made(edge, admin, "read", "write"), made(edge, admin, "read", "admin")
    assert edge.get("/api/users", token=plain["key"]).outcome == (403, "FORBIDDEN")
    assert edge.get(f"/api/users/{ada.id}", token=plain["key"]).outcome == (403, "FORBIDDEN")
    assert edge.get(f"/api/users/{admin.id}", token=plain["key"]).status == 200
    assert edge.get("/api/users", token=admins["key"]).status == 200
    for key in (plain, admins):
        assert edge.delete(f"{KEYS}/{key['id']}", token=admin.access_token).status == 204


def test_an_admins_key_locks_people_out(edge: Edge, admin: Person) -> None:
    """And does nothing else that a fresh proof is asked for; it is never told to give one."""
    bob = edge.join()
    path = f"/api/users/{bob.id}"
    key, without_write = made(edge, admin, "write", "admin"), made(edge, admin, "read", "admin")
    refused = [
        edge.put(path, token=without_write["key"], json={"is_active": False}),
        edge.put(path, token=key["key"], json={"is_active": True}),
        edge.put(path, token=key["key"], json={"is_active": False, "full_name": "Renamed"}),
        edge.put(path, token=key["key"], json={"role": "admin"}),
        edge.put(path, token=key["key"], json={"email": f"new-{bob.email}"}),
        edge.put(f"/api/users/{admin.id}", token=key["key"], json={"is_active": False}),
        edge.delete(path, token=key["key"]),
        edge.put("/api/users/me", token=key["key"], json={"email": f"new-{admin.email}"}),
    ]
    assert {answer.outcome for answer in refused} == {(403, "FORBIDDEN")}
    assert edge.who(bob.access_token).status == 200

    assert edge.put(path, token=key["key"], json={"is_active": False}).status == 200
    assert edge.who(bob.access_token).outcome == (401, "TOKEN_REVOKED")


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
def test_bad_input(edge: Edge, ada: Person, change: dict[str, Any], field: str) -> None:
    """Each field is named, and there is no more of a key than before."""
    before = edge.get(KEYS, token=ada.access_token).data
    body = {"name": "report", "scopes": ["read"], "expires_at": None} | change
    answer = edge.post(KEYS, token=ada.access_token, json=body)

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert answer.fields == {field}
    assert edge.get(KEYS, token=ada.access_token).data == before


def test_forged_keys(edge: Edge, ada: Person) -> None:
    """A wrong secret, an unknown prefix, another form: all alike."""
    key = made(edge, ada)["key"]
    flipped = key[:-1] + ("0" if key[-1] != "0" else "1")
    unknown = key.replace("vst_", "vst_aaaaaa")[: len(key)]
    for forged in (flipped, unknown, key[:-1], key + "0", key.upper(), "vst_", "vst_" + "a" * 5_000):
        assert edge.who(forged).outcome == (401, "TOKEN_INVALID"), forged
    assert edge.who(key).status == 200


def test_ones_own(edge: Edge) -> None:
    """Nobody sees or ends another's key; twice ended is not found."""
    ada, bob = edge.join(proven=True), edge.join(proven=True)
    key = made(edge, ada)
    path = f"{KEYS}/{key['id']}"

    assert edge.get(KEYS, token=bob.access_token).data == []
    assert edge.delete(path, token=bob.access_token).outcome == (404, "NOT_FOUND")
    assert edge.get(KEYS).outcome == (401, "UNAUTHENTICATED")
    assert edge.delete(path, token=ada.access_token).status == 204
    assert edge.delete(path, token=ada.access_token).outcome == (404, "NOT_FOUND")
    assert edge.delete(f"{KEYS}/no-id", token=ada.access_token).status == 422
    assert edge.get(KEYS, token=ada.access_token).data == []


def test_last_use_is_told(edge: Edge) -> None:
    """From the first use on."""
    ada = edge.join(proven=True)
    key = made(edge, ada)
    edge.who(key["key"])
    (listed,) = edge.get(KEYS, token=ada.access_token).data

    age = datetime.now(UTC) - datetime.fromisoformat(listed["last_used_at"])
    assert timedelta(minutes=-1) < age < timedelta(minutes=1)


def test_exported(edge: Edge) -> None:
    """Everything but the secret, revoked ones as well."""
    ada = edge.join(proven=True)
    kept, revoked = made(edge, ada), made(edge, ada, name="old")
    edge.delete(f"{KEYS}/{revoked['id']}", token=ada.access_token)
    answer = edge.get("/api/users/me/export", token=ada.access_token)
    keys = answer.data["account"]["api_keys"]

    assert [(key["name"], key["prefix"], key["revoked_at"] is None) for key in keys] == [
        ("old", revoked["prefix"], False),
        (kept["name"], kept["prefix"], True),
    ]
    assert kept["key"].removeprefix(kept["prefix"]) not in answer.text

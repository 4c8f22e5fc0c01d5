"""What admins may do with users, and no other user may."""

from itertools import pairwise
from typing import Any

import pytest

from tests.system.client import PASSWORD, Client, User, new_email

UNKNOWN_ID = "0192f1c4-7b1a-7c00-8000-000000000000"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/users"),
        ("PUT", "/api/users/{user_id}"),
        ("DELETE", "/api/users/{user_id}"),
        ("GET", "/api/users/{user_id}"),
        ("GET", "/api/admin/audit-events"),
        ("GET", "/api/admin/audit-events/verify"),
    ],
)
def test_only_admins(client: Client, ada: User, admin: User, method: str, path: str) -> None:
    """Users who are not admins are refused before anything is looked up."""
    for user_id in (admin.id, UNKNOWN_ID):
        answer = client.call(
            method,
            path.format(user_id=user_id),
            token=ada.access_token,
            json={"full_name": "Mallory"} if method == "PUT" else None,
        )

        assert answer.outcome == (403, "FORBIDDEN")


def test_oneself_by_id(client: Client, ada: User) -> None:
    """Users may read their own account by its id, but not change it that way."""
    read = client.get(f"/api/users/{ada.id}", token=ada.access_token)
    changed = client.put(f"/api/users/{ada.id}", token=ada.access_token, json={"role": "admin"})

    assert client.who(ada.access_token).data == read.data
    assert changed.outcome == (403, "FORBIDDEN")


def test_unknown_user(client: Client, admin: User) -> None:
    """An unknown user is 404 for an admin."""
    for method, body in (("GET", None), ("PUT", {"full_name": "Unknown"}), ("DELETE", None)):
        answer = client.call(method, f"/api/users/{UNKNOWN_ID}", token=admin.access_token, json=body)

        assert answer.outcome == (404, "NOT_FOUND")


@pytest.fixture(name="namesakes", scope="module")
def _namesakes(client: Client) -> tuple[str, list[User]]:
    """Seven users who share a word in their names."""
    word = new_email()[:20].replace("-", "")
    return word, [client.register(full_name=f"{letter} {word}") for letter in "GCAFBDE"]


def test_pages(client: Client, admin: User, namesakes: tuple[str, list[User]]) -> None:
    """Pages are numbered from 1 and cut the list without gaps; the pagination is right."""
    word, users = namesakes
    pages = [
        client.get(
            "/api/users", token=admin.access_token, params={"search": word, "page_size": 3, "page": page}
        )
        for page in (1, 2, 3, 4)
    ]

    assert [len(page.data) for page in pages] == [3, 3, 1, 0]
    assert [user.id for user in users] == [user["id"] for page in pages for user in page.data]
    expected: list[dict[str, Any]] = [
        {"page": 1, "has_next": True, "has_prev": False},
        {"page": 2, "has_next": True, "has_prev": True},
        {"page": 3, "has_next": False, "has_prev": True},
    ]
    for page, place in zip(pages, expected, strict=False):
        totals = {"page_size": 3, "total_items": 7, "total_pages": 3}
        assert {**totals, **place, "next_cursor": page.pagination["next_cursor"]} == page.pagination
        assert page.pagination["has_next"] == (page.pagination["next_cursor"] is not None)


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "email", "full_name"])
def test_cursor(client: Client, admin: User, namesakes: tuple[str, list[User]], sort: str) -> None:
    """A cursor continues after its page, whatever was added or removed meanwhile, in every order."""
    word, users = namesakes
    query: dict[str, Any] = {"search": word, "page_size": 2, "sort": sort}
    seen: list[dict[str, Any]] = []
    while True:
        page = client.get("/api/users", token=admin.access_token, params=query)
        seen += page.data
        if page.pagination["next_cursor"] is None:
            break
        query["cursor"] = page.pagination["next_cursor"]

    assert {user.id for user in users} == {user["id"] for user in seen}
    assert len(seen) == 7
    key = sort.removeprefix("-")
    ordered = [user[key] for user in seen]
    assert all((a >= b) if sort.startswith("-") else (a <= b) for a, b in pairwise(ordered))


def test_search_finds_parts(client: Client, admin: User) -> None:
    """A search finds a part of an address or a name, in any case."""
    user = client.register(full_name="Émilie du Châtelet")
    for search in (user.email, user.email[3:-4].upper()):
        found = client.get("/api/users", token=admin.access_token, params={"search": search})

        assert [user.id] == [user["id"] for user in found.data]
    named = client.get(
        "/api/users", token=admin.access_token, params={"search": "ÉMILIE DU CHÂ", "sort": "-created_at"}
    )
    assert user.id in {user["id"] for user in named.data}


def test_filters(client: Client, admin: User, namesakes: tuple[str, list[User]]) -> None:
    """Filters narrow the list, one by one and together."""
    word, users = namesakes
    client.put(f"/api/users/{users[0].id}", token=admin.access_token, json={"is_active": False})

    def count(**filters: str) -> int:
        answer = client.get("/api/users", token=admin.access_token, params={"search": word, **filters})
        total = answer.pagination["total_items"]
        assert isinstance(total, int)
        return total

    assert (
        count(is_active="false"),
        count(is_active="true"),
        count(role="user"),
        count(role="admin"),
        count(role="user", is_active="false"),
    ) == (1, 6, 7, 0, 1)


def test_change_by_an_admin(client: Client, admin: User) -> None:
    """An admin changes a user's name and address; the user signs in with the new address."""
    user = client.join()
    email = new_email()
    changes = {"full_name": "Renamed", "email": email, "email_verified": True}
    answer = client.put(f"/api/users/{user.id}", token=admin.access_token, json=changes)

    assert answer.outcome == (200, None)
    assert ("Renamed", email, True) == tuple(
        answer.data[name] for name in ("full_name", "email", "email_verified")
    )
    assert answer.data == client.get(f"/api/users/{user.id}", token=admin.access_token).data
    client.sign_in(User(user.id, email, PASSWORD, ""))


def test_role(client: Client, admin: User) -> None:
    """A changed role ends the access tokens at once; the session goes on with the new role."""
    user = client.join()
    path = f"/api/users/{user.id}"
    assert client.put(path, token=admin.access_token, json={"role": "admin"}).status == 200

    assert client.who(user.access_token).outcome == (401, "TOKEN_REVOKED")
    refreshed = client.post("/api/auth/refresh", json={"refresh_token": user.refresh_token})
    assert refreshed.data["role"] == "admin"
    token = refreshed.data["access_token"]
    assert client.get("/api/users", token=token).status == 200

    assert client.put(path, token=admin.access_token, json={"role": "user"}).status == 200
    assert client.get("/api/users", token=token).outcome == (401, "TOKEN_REVOKED")
    demoted = client.post("/api/auth/refresh", json={"refresh_token": refreshed.data["refresh_token"]})
    assert client.get("/api/users", token=demoted.data["access_token"]).outcome == (403, "FORBIDDEN")


def test_deactivation(client: Client, admin: User) -> None:
    """A deactivated user is refused at once, with the reason only for the right password."""
    user = client.join()
    path = f"/api/users/{user.id}"
    assert client.put(path, token=admin.access_token, json={"is_active": False}).status == 200

    assert client.who(user.access_token).outcome == (401, "TOKEN_REVOKED")
    assert client.post("/api/auth/refresh", json={"refresh_token": user.refresh_token}).status == 401
    right = client.post("/api/auth/login", json={"email": user.email, "password": PASSWORD})
    assert right.outcome == (403, "ACCOUNT_DISABLED")
    wrong = client.post("/api/auth/login", json={"email": user.email, "password": "wrong-guess-of-eve"})
    assert wrong.outcome == (401, "INVALID_CREDENTIALS")

    assert client.put(path, token=admin.access_token, json={"is_active": True}).status == 200
    assert client.who(client.sign_in(user).access_token).status == 200
    assert client.who(user.access_token).outcome == (401, "TOKEN_REVOKED")


def test_deletion_by_an_admin(client: Client, admin: User) -> None:
    """A user that an admin deletes is gone at once; deleting again is 404."""
    user = client.join()
    path = f"/api/users/{user.id}"
    assert client.delete(path, token=admin.access_token).status == 204

    assert client.who(user.access_token).outcome == (401, "TOKEN_REVOKED")
    assert client.get(path, token=admin.access_token).outcome == (404, "NOT_FOUND")
    assert client.delete(path, token=admin.access_token).outcome == (404, "NOT_FOUND")
    listed = client.get("/api/users", token=admin.access_token, params={"search": user.email})
    assert listed.data == []
    client.register(email=user.email)


@pytest.mark.parametrize("change", [{"role": "user"}, {"is_active": False}])
def test_last_admin_stays_one(client: Client, admin: User, change: dict[str, Any]) -> None:
    """Admins cannot demote or deactivate themselves by their id."""
    _leave_one_admin(client, admin)
    answer = client.put(f"/api/users/{admin.id}", token=admin.access_token, json=change)

    assert answer.outcome == (403, "FORBIDDEN")
    assert client.get("/api/users", token=admin.access_token).status == 200


def test_last_admin_stays(client: Client, admin: User) -> None:
    """The last active admin cannot be deleted, and users cannot delete themselves by their id."""
    _leave_one_admin(client, admin)
    by_id = client.delete(f"/api/users/{admin.id}", token=admin.access_token)
    oneself = client.delete("/api/users/me", token=admin.access_token, json={"password": admin.password})

    assert (by_id.outcome, oneself.outcome) == ((403, "FORBIDDEN"), (409, "LAST_ADMIN"))
    assert client.who(admin.access_token).status == 200


def test_version_conflict(client: Client, admin: User) -> None:
    """Two admins do not overwrite each other's changes unknowingly."""
    user = client.register()
    path = f"/api/users/{user.id}"
    etag = client.get(path, token=admin.access_token).headers["etag"]
    outcomes = [
        client.put(
            path, token=admin.access_token, json={"full_name": name}, headers={"If-Match": etag}
        ).outcome
        for name in ("First", "Second")
    ]

    assert outcomes == [(200, None), (412, "VERSION_CONFLICT")]


def test_version_conflict_of_an_erasure(client: Client, admin: User) -> None:
    """A user who was changed meanwhile is not erased, by an admin as little as by the user."""
    user = client.join()
    path = f"/api/users/{user.id}"
    former = client.get(path, token=admin.access_token).headers["etag"]
    client.put(path, token=admin.access_token, json={"full_name": "Changed"})
    newest = client.get(path, token=admin.access_token).headers["etag"]
    stale, current = {"If-Match": former}, {"If-Match": newest}

    by_admin = client.delete(path, token=admin.access_token, headers=stale)
    body = {"password": user.password}
    oneself = client.delete("/api/users/me", token=user.access_token, json=body, headers=stale)

    assert by_admin.outcome == oneself.outcome == (412, "VERSION_CONFLICT")
    assert client.delete(path, token=admin.access_token, headers=current).status == 204


def _leave_one_admin(client: Client, admin: User) -> None:
    query = {"role": "admin", "is_active": "true", "page_size": 100}
    for user in client.get("/api/users", token=admin.access_token, params=query).data:
        if user["id"] != admin.id:
            client.put(f"/api/users/{user['id']}", token=admin.access_token, json={"role": "user"})

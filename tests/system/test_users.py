"""What an admin may do with people, and what nobody else may."""

from itertools import pairwise
from typing import Any

import pytest

from tests.system.edge import PASSWORD, Edge, Person, new_email

NOBODY = "0192f1c4-7b1a-7c00-8000-000000000000"


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
def test_only_admins(edge: Edge, ada: Person, admin: Person, method: str, path: str) -> None:
    """A person who is no admin is refused before anything is looked up."""
    for user_id in (admin.id, NOBODY):
        answer = edge.call(
            method,
            path.format(user_id=user_id),
            token=ada.access_token,
            json={"full_name": "Mallory"} if method == "PUT" else None,
        )

        assert answer.outcome == (403, "FORBIDDEN")


def test_oneself_by_id(edge: Edge, ada: Person) -> None:
    """A person may read the own account by its id, but not change it so."""
    read = edge.get(f"/api/users/{ada.id}", token=ada.access_token)
    changed = edge.put(f"/api/users/{ada.id}", token=ada.access_token, json={"role": "admin"})

    assert edge.who(ada.access_token).data == read.data
    assert changed.outcome == (403, "FORBIDDEN")


def test_nobody(edge: Edge, admin: Person) -> None:
    """An admin is told that a person does not exist."""
    for method, body in (("GET", None), ("PUT", {"full_name": "Nobody"}), ("DELETE", None)):
        answer = edge.call(method, f"/api/users/{NOBODY}", token=admin.access_token, json=body)

        assert answer.outcome == (404, "NOT_FOUND")


@pytest.fixture(name="crowd", scope="module")
def _crowd(edge: Edge) -> tuple[str, list[Person]]:
    """Seven people who share a word in their names."""
    word = new_email()[:20].replace("-", "")
    return word, [edge.register(full_name=f"{letter} {word}") for letter in "GCAFBDE"]


def test_pages(edge: Edge, admin: Person, crowd: tuple[str, list[Person]]) -> None:
    """Pages are numbered from 1, cut the list without gaps, and say where they stand."""
    word, people = crowd
    pages = [
        edge.get(
            "/api/users", token=admin.access_token, params={"search": word, "page_size": 3, "page": page}
        )
        for page in (1, 2, 3, 4)
    ]

    assert [len(page.data) for page in pages] == [3, 3, 1, 0]
    assert [person.id for person in people] == [user["id"] for page in pages for user in page.data]
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
def test_cursor(edge: Edge, admin: Person, crowd: tuple[str, list[Person]], sort: str) -> None:
    """A cursor goes on behind its page, whatever came or went in between, in every order."""
    word, people = crowd
    query: dict[str, Any] = {"search": word, "page_size": 2, "sort": sort}
    seen: list[dict[str, Any]] = []
    while True:
        page = edge.get("/api/users", token=admin.access_token, params=query)
        seen += page.data
        if page.pagination["next_cursor"] is None:
            break
        query["cursor"] = page.pagination["next_cursor"]

    assert {person.id for person in people} == {user["id"] for user in seen}
    assert len(seen) == 7
    key = sort.removeprefix("-")
    ordered = [user[key] for user in seen]
    assert all((a >= b) if sort.startswith("-") else (a <= b) for a, b in pairwise(ordered))


def test_search_finds_parts(edge: Edge, admin: Person) -> None:
    """A search finds a part of an address or a name, in any case."""
    person = edge.register(full_name="Émilie du Châtelet")
    for search in (person.email, person.email[3:-4].upper()):
        found = edge.get("/api/users", token=admin.access_token, params={"search": search})

        assert [person.id] == [user["id"] for user in found.data]
    named = edge.get(
        "/api/users", token=admin.access_token, params={"search": "ÉMILIE DU CHÂ", "sort": "-created_at"}
    )
    assert person.id in {user["id"] for user in named.data}


def test_filters(edge: Edge, admin: Person, crowd: tuple[str, list[Person]]) -> None:
    """Filters narrow the list, one by one and together."""
    word, people = crowd
    edge.put(f"/api/users/{people[0].id}", token=admin.access_token, json={"is_active": False})

    def count(**filters: str) -> int:
        answer = edge.get("/api/users", token=admin.access_token, params={"search": word, **filters})
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


def test_change_by_an_admin(edge: Edge, admin: Person) -> None:
    """An admin changes what a person is called and where mail goes; the person signs in so."""
    person = edge.join()
    email = new_email()
    changes = {"full_name": "Renamed", "email": email, "email_verified": True}
    answer = edge.put(f"/api/users/{person.id}", token=admin.access_token, json=changes)

    assert answer.outcome == (200, None)
    assert ("Renamed", email, True) == tuple(
        answer.data[name] for name in ("full_name", "email", "email_verified")
    )
    assert answer.data == edge.get(f"/api/users/{person.id}", token=admin.access_token).data
    edge.sign_in(Person(person.id, email, PASSWORD, ""))


def test_role(edge: Edge, admin: Person) -> None:
    """A changed role ends the access tokens at once; the session goes on with the new role."""
    person = edge.join()
    path = f"/api/users/{person.id}"
    assert edge.put(path, token=admin.access_token, json={"role": "admin"}).status == 200

    assert edge.who(person.access_token).outcome == (401, "TOKEN_REVOKED")
    refreshed = edge.post("/api/auth/refresh", json={"refresh_token": person.refresh_token})
    assert refreshed.data["role"] == "admin"
    token = refreshed.data["access_token"]
    assert edge.get("/api/users", token=token).status == 200

    assert edge.put(path, token=admin.access_token, json={"role": "user"}).status == 200
    assert edge.get("/api/users", token=token).outcome == (401, "TOKEN_REVOKED")
    demoted = edge.post("/api/auth/refresh", json={"refresh_token": refreshed.data["refresh_token"]})
    assert edge.get("/api/users", token=demoted.data["access_token"]).outcome == (403, "FORBIDDEN")


def test_deactivation(edge: Edge, admin: Person) -> None:
    """A deactivated person is out at once and told so on the right password only; and comes back."""
    person = edge.join()
    path = f"/api/users/{person.id}"
    assert edge.put(path, token=admin.access_token, json={"is_active": False}).status == 200

    assert edge.who(person.access_token).outcome == (401, "TOKEN_REVOKED")
    assert edge.post("/api/auth/refresh", json={"refresh_token": person.refresh_token}).status == 401
    right = edge.post("/api/auth/login", json={"email": person.email, "password": PASSWORD})
    assert right.outcome == (403, "ACCOUNT_DISABLED")
    wrong = edge.post("/api/auth/login", json={"email": person.email, "password": "wrong-guess-of-eve"})
    assert wrong.outcome == (401, "INVALID_CREDENTIALS")

    assert edge.put(path, token=admin.access_token, json={"is_active": True}).status == 200
    assert edge.who(edge.sign_in(person).access_token).status == 200
    assert edge.who(person.access_token).outcome == (401, "TOKEN_REVOKED")


def test_deletion_by_an_admin(edge: Edge, admin: Person) -> None:
    """A person whom an admin deletes is gone at once, and deleting again finds nobody."""
    person = edge.join()
    path = f"/api/users/{person.id}"
    assert edge.delete(path, token=admin.access_token).status == 204

    assert edge.who(person.access_token).outcome == (401, "TOKEN_REVOKED")
    assert edge.get(path, token=admin.access_token).outcome == (404, "NOT_FOUND")
    assert edge.delete(path, token=admin.access_token).outcome == (404, "NOT_FOUND")
    listed = edge.get("/api/users", token=admin.access_token, params={"search": person.email})
    assert listed.data == []
    edge.register(email=person.email)


@pytest.mark.parametrize("change", [{"role": "user"}, {"is_active": False}])
def test_last_admin_stays_one(edge: Edge, admin: Person, change: dict[str, Any]) -> None:
    """Nobody demotes or deactivates themselves by their id, the last admin least of all."""
    _leave_one_admin(edge, admin)
    answer = edge.put(f"/api/users/{admin.id}", token=admin.access_token, json=change)

    assert answer.outcome == (403, "FORBIDDEN")
    assert edge.get("/api/users", token=admin.access_token).status == 200


def test_last_admin_stays(edge: Edge, admin: Person) -> None:
    """The last active admin is not deleted; one's own id is nobody's to delete by."""
    _leave_one_admin(edge, admin)
    by_id = edge.delete(f"/api/users/{admin.id}", token=admin.access_token)
    oneself = edge.delete("/api/users/me", token=admin.access_token, json={"password": admin.password})

    assert (by_id.outcome, oneself.outcome) == ((403, "FORBIDDEN"), (409, "LAST_ADMIN"))
    assert edge.who(admin.access_token).status == 200


def test_version_conflict(edge: Edge, admin: Person) -> None:
    """Two admins do not overwrite each other unknowingly."""
    person = edge.register()
    path = f"/api/users/{person.id}"
    etag = edge.get(path, token=admin.access_token).headers["etag"]
    outcomes = [
        edge.put(path, token=admin.access_token, json={"full_name": name}, headers={"If-Match": etag}).outcome
        for name in ("First", "Second")
    ]

    assert outcomes == [(200, None), (412, "VERSION_CONFLICT")]


def _leave_one_admin(edge: Edge, admin: Person) -> None:
    query = {"role": "admin", "is_active": "true", "page_size": 100}
    for user in edge.get("/api/users", token=admin.access_token, params=query).data:
        if user["id"] != admin.id:
            edge.put(f"/api/users/{user['id']}", token=admin.access_token, json={"role": "user"})

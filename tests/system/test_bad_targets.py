"""Malformed paths, queries and headers get the exact error of the table."""

from typing import Any

import pytest

from tests.system.client import Client, User
from tests.system.raw import exchange, head


@pytest.mark.parametrize(
    "user_id",
    [
        "1",
        "nonsense",
        "00000000-0000-0000-0000-00000000000",
        "00000000-0000-0000-0000-0000000000000",
        "%00",
        "a%00b",
        "%f0%9f%92%a9",
        "' OR 1=1--",
        "*",
        "me%20",
        "a%0d%0aSet-Cookie:%20x=y",
        "x" * 2000,
    ],
)
def test_malformed_id(client: Client, admin: User, user_id: str) -> None:
    """A malformed id is refused on its field; a path that leaves its folder is not found."""
    answer = client.get(f"/api/users/{user_id}", token=admin.access_token)

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {"user_id"} == answer.fields
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "target",
    ["/api%2fusers/me", "/api/users%2fme", "/api/users%2Fme", "/%61pi%2Fusers%2Fme", "/api/users/me%2f"],
)
def test_encoded_slash_is_no_slash(base_url: str, ada: User, target: str) -> None:
    """An encoded slash does not lead to another route."""
    answer = exchange(base_url, head("GET", target, f"Authorization: Bearer {ada.access_token}"))

    assert answer.outcome in {(404, "NOT_FOUND"), (422, "VALIDATION_ERROR"), (403, "FORBIDDEN")}


@pytest.mark.parametrize(
    "target", ["/api/users/a%2fb", "/api/users/..%2f..%2fhealth", "/api/auth/sessions/a%2Fb"]
)
def test_encoded_slash_in_an_id(base_url: str, admin: User, target: str) -> None:
    """An id with an encoded slash is malformed or unknown, never another resource."""
    answer = exchange(base_url, head("GET", target, f"Authorization: Bearer {admin.access_token}"))

    assert answer.outcome in {(404, "NOT_FOUND"), (422, "VALIDATION_ERROR"), (405, "METHOD_NOT_ALLOWED")}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("page=1.5", "page"),
        ("page=" + "9" * 30, "page"),
        ("page=1000001", "page"),
        ("page_size=0", "page_size"),
        ("page_size=101", "page_size"),
        ("page_size=", "page_size"),
        ("cursor=nonsense", "cursor"),
        ("cursor=" + "x" * 600, "cursor"),
        ("cursor=%00", "cursor"),
        ("search=" + "x" * 256, "search"),
        ("search=%00", "search"),
        ("search=a%00b", "search"),
        ("role=root", "role"),
        ("role=ADMIN", "role"),
        ("is_active=perhaps", "is_active"),
        ("sort=password", "sort"),
        ("sort=email;DROP TABLE users", "sort"),
        ("sort=-email", "sort"),
    ],
    ids=lambda text: text[:20],
)
def test_malformed_query(client: Client, admin: User, query: str, field: str) -> None:
    """A query parameter out of its bounds is refused on its field."""
    answer = client.get(f"/api/users?{query}", token=admin.access_token)

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {field} == answer.fields


@pytest.mark.parametrize(
    "search", ["%", "_", "%%", "' OR '1'='1", "'; DROP TABLE users; --", "\\", "%5C", "a%' --"]
)
def test_search_is_only_text(client: Client, admin: User, ada: User, search: str) -> None:
    """A search matches the text itself: quotes and wildcards are ordinary characters."""
    answer = client.get("/api/users", token=admin.access_token, params={"search": search, "page_size": 100})

    assert answer.outcome == (200, None)
    found = [user for user in answer.data if search not in user["email"] and search not in user["full_name"]]
    assert found == []


@pytest.mark.parametrize(
    "value", ["'", '"; DROP TABLE users', "not-an-etag", '"999999"', 'W/"1"', '""', "\xff"]
)
def test_odd_precondition(client: Client, ada: User, value: str) -> None:
    """A change with an `If-Match` of another version is refused."""
    answer = client.put(
        "/api/users/me",
        token=ada.access_token,
        json={"full_name": "Mallory"},
        headers={"If-Match": value.encode("latin-1")},
    )

    assert answer.outcome in {(412, "VERSION_CONFLICT"), (422, "VALIDATION_ERROR")}
    assert client.who(ada.access_token).data["full_name"] != "Mallory"


@pytest.mark.parametrize(
    "request_head",
    [
        head("GET", "/api/users/me", "Content-Length: x"),
        head("POST", "/api/auth/login", "Content-Length: -1", "Content-Type: application/json"),
        head("POST", "/api/auth/login", "Content-Length: 2", "Content-Length: 3"),
        head("GET", "/api/users/me", "Bad Header: x"),
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=repr,
)
def test_not_http(base_url: str, request_head: bytes) -> None:
    """What is not HTTP is a bad request, and the gateway serves on."""
    answer = exchange(base_url, request_head)

    assert answer.status == 400


@pytest.mark.parametrize(
    "query",
    [
        "actor_id=x",
        "subject_id=%00",
        "since=yesterday",
        "until=2026-13-01T00:00:00Z",
        "page=0",
        "action=" + "x" * 65,
    ],
)
def test_malformed_audit_query(client: Client, admin: User, query: str) -> None:
    """The filters of the audit log are validated as well."""
    answer = client.get(f"/api/admin/audit-events?{query}", token=admin.access_token)

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {query.partition("=")[0]} == answer.fields


@pytest.mark.parametrize(
    "target", ["/api/users/%ff", "/api/%ff", "/api/users/..", "/api/users/%2e%2e/me", "/%00"]
)
def test_path_that_is_none(base_url: str, admin: User, target: str) -> None:
    """A path that is not text, or leaves its root, is not found; no component resolves it to another path."""
    answer = exchange(base_url, head("GET", target, f"Authorization: Bearer {admin.access_token}"))

    assert answer.outcome in {(404, "NOT_FOUND"), (422, "VALIDATION_ERROR")}


def test_parameters_of_no_meaning(client: Client, ada: User) -> None:
    """Invalid UTF-8 in a query breaks nothing."""
    answers: list[Any] = [
        client.get(f"/api/users/me?{query}", token=ada.access_token)
        for query in ("%ff", "a=%ff", "a[]=1&a[]=2", "&&&", "=")
    ]

    assert {answer.status for answer in answers} <= {200, 422}

"""What clients send: bodies and queries of every kind."""

from collections.abc import AsyncIterator

import pytest
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.gateway.stack import FakeUpstream, Gateway, bearer
from tests.user_service.auth_stand_in import AuthStandIn


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", {"content-type": "application/json"}, 400, "INVALID_JSON"),
        (b"[]", {"content-type": "application/json"}, 400, "INVALID_JSON"),
        (b'{"full_name":NaN}', {"content-type": "application/json"}, 400, "INVALID_JSON"),
        (b'{"full_name":"\xff"}', {"content-type": "application/json"}, 400, "INVALID_JSON"),
        (b"", {"content-type": "application/json"}, 400, "INVALID_JSON"),
        (b"{}", {"content-type": "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}", {"content-type": "application/json; charset=latin-1"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b'{"full_name":1}', {"content-type": "application/json"}, 422, "VALIDATION_ERROR"),
        (b'{"full_name":"\\ud800"}', {"content-type": "application/json"}, 422, "VALIDATION_ERROR"),
        (b'{"full_name":"a\\u0000"}', {"content-type": "application/json"}, 422, "VALIDATION_ERROR"),
        (b'{"no_such":1}', {"content-type": "application/json"}, 422, "VALIDATION_ERROR"),
        (b" " * 70_000, {"content-type": "application/json"}, 413, "PAYLOAD_TOO_LARGE"),
        (
            b'{"full_name":"' + b"x" * 64_000 + b'"}',
            {"content-type": "application/json"},
            422,
            "VALIDATION_ERROR",
        ),
        (b'{"full_name":"A","full_name":"B"}', {"content-type": "application/json"}, 400, "INVALID_JSON"),
        (b'{"full_name":"A","x":[{"y":1,"y":2}]}', {"content-type": "application/json"}, 400, "INVALID_JSON"),
        (
            b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
            {"content-type": "application/json"},
            422,
            "VALIDATION_ERROR",
        ),
        (b"[" * 60_000, {"content-type": "application/json"}, 400, "INVALID_JSON"),
        (b'{"full_name":"B"}', {"content-type": "Application/JSON; charset=UTF-8"}, 200, None),
    ],
)
async def test_bodies(
    gateway: Gateway, token: str, content: bytes, headers: dict[str, str], status: int, code: str | None
) -> None:
    """Each body gets the answer of the contract's table."""
    answer = await gateway.http.put("/api/users/me", headers={**bearer(token), **headers}, content=content)
    error = answer.json()["error"]

    assert (answer.status_code, error and error["code"]) == (status, code)


async def test_every_wrong_field_is_named(gateway: Gateway, token: str) -> None:
    """One response names all of them, each once."""
    body = {"full_name": "", "email": 5, "colour": "red"}
    answer = await gateway.http.put("/api/users/me", headers=bearer(token), json=body)
    errors = answer.json()["error"]["details"]["errors"]

    assert sorted(each["field"] for each in errors) == ["colour", "email", "full_name"]


async def test_unannounced_bodies_are_counted(gateway: Gateway, token: str) -> None:
    """A chunked body is cut off at the limit, and the connection is closed."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 4096

    answer = await gateway.http.put(
        "/api/users/me", headers=bearer(token, **{"content-type": "application/json"}), content=endless()
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "query",
    [
        *("page=0", "page=x", "page_size=101", "sort=age", "role=king", "is_active=1", "search=%ff"),
        *("page=1&page=1", "cursor="),
    ],
)
async def test_wrong_queries(gateway: Gateway, auth: AuthStandIn, query: str) -> None:
    """A query that cannot be is 422 on its field."""
    answer = await gateway.http.get(f"/api/users?{query}", headers=bearer(auth.token(uuid7(), Role.ADMIN)))

    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_a_number_beyond_its_type_names_the_fields_bound(gateway: Gateway, auth: AuthStandIn) -> None:
    """The error names the maximum of the field, not of its type."""
    headers = bearer(auth.token(uuid7(), Role.ADMIN))
    answer = await gateway.http.get("/api/users?page_size=99999999999999", headers=headers)

    assert answer.json()["error"]["message"] == "page_size: must be at most 100"


async def test_queries_are_read(gateway: Gateway, upstream: FakeUpstream, auth: AuthStandIn) -> None:
    """Numbers, choices and unknown names."""
    query = "page=3&page_size=7&sort=-created_at&unknown=1"
    await gateway.http.get(f"/api/users?{query}", headers=bearer(auth.token(uuid7(), Role.ADMIN)))

    assert upstream.calls == ["ListUsers 3 7 -created_at"]

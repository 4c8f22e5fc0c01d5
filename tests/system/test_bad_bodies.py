"""Each fault of a body gets its exact error, and nothing is written."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.client import PASSWORD, Client, User, new_email
from tests.system.raw import chunk, exchange, head

LIMIT_BYTES = 64 * 1024

GOOD = {"email": "eve@example.com", "password": PASSWORD, "full_name": "Eve"}


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_written(client: Client, admin: User, ada: User) -> Iterator[None]:
    """Counts users before and after; `ada` is there before."""

    def count() -> int:
        total = client.get("/api/users", token=admin.access_token).pagination["total_items"]
        assert isinstance(total, int)
        return total

    before = count()
    yield
    assert before == count()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"}",
        b"nonsense",
        b"{'email': 'a'}",
        b'{"email": "a@example.com",}',
        b'{"email": NaN}',
        b'{"email": "a@example.com"} trailing',
        b'{"email": "\xff\xfe"}',
        b'\xff\xfe{\x00"\x00',
        b'{"email": "raw\x00nul"}',
        b"[]",
        b"null",
        b"1",
        b'"text"',
        b"[" * 20_000,
        b'{"a":' * 10_000,
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/register", "/api/auth/refresh"])
def test_not_a_json_object(client: Client, path: str, body: bytes) -> None:
    """What is not JSON, or not an object, is 400."""
    answer = client.post(path, content=body)

    assert answer.outcome == (400, "INVALID_JSON")


@pytest.mark.parametrize(
    "value", [1, 1.5, True, None, [], ["a@example.com"], {"$ne": None}, 10**40], ids=repr
)
@pytest.mark.parametrize("field", sorted(GOOD))
def test_wrong_type(client: Client, field: str, value: Any) -> None:
    """A wrong type is named with its field, never converted."""
    answer = client.post("/api/auth/register", json={**GOOD, field: value})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {field} == answer.fields


@pytest.mark.parametrize("value", ["true", "yes", 1, 0, "", [], {}], ids=repr)
def test_boolean_is_not_guessed(client: Client, admin: User, ada: User, value: Any) -> None:
    """A boolean is `true` or `false`: an empty text does not deactivate a user."""
    answer = client.put(f"/api/users/{ada.id}", token=admin.access_token, json={"is_active": value})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {"is_active"} == answer.fields


@pytest.mark.parametrize("value", ["ADMIN", "root", "", 1, "ROLE_ADMIN", "unspecified", []], ids=repr)
def test_role_is_not_guessed(client: Client, admin: User, ada: User, value: Any) -> None:
    """A role is `user` or `admin`, as written in the contract."""
    answer = client.put(f"/api/users/{ada.id}", token=admin.access_token, json={"role": value})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {"role"} == answer.fields


def test_every_missing_field_is_named(client: Client) -> None:
    """One answer names all wrong fields."""
    answer = client.post("/api/auth/register", json={})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert set(GOOD) == answer.fields


@pytest.mark.parametrize(
    "field", ["role", "is_active", "id", "__proto__", "email ", "Email", "user.email", "é"]
)
def test_unknown_field(client: Client, field: str) -> None:
    """An unknown field is refused: no user becomes an admin by sending `role`."""
    answer = client.post("/api/auth/register", json={**GOOD, field: "admin"})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {field} == answer.fields


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "x" * 243 + "@example.com"),
        ("email", "x" * 10_000 + "@example.com"),
        ("full_name", "x" * 256),
        ("full_name", "x" * 60_000),
        ("password", "pq7-" * 32 + "x"),
        ("email", ""),
        ("full_name", ""),
        ("full_name", "   "),
        ("password", ""),
    ],
    ids=lambda value: f"{value[:8]}…{len(value)}",
)
def test_lengths(client: Client, field: str, value: str) -> None:
    """What is too long or empty is refused on its field."""
    answer = client.post("/api/auth/register", json={**GOOD, field: value})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {field} == answer.fields


@pytest.mark.parametrize(
    "email",
    [
        "nonsense",
        "@example.com",
        "a@",
        "a@b@example.com",
        "a b@example.com",
        "a@exa mple.com",
        "a@example.com\r\nBcc: b@example.com",
        "<a@example.com>",
        "a@example..com",
        "' OR '1'='1",
        "a@-example.com",
    ],
)
def test_not_an_address(client: Client, email: str) -> None:
    """What cannot receive mail is not an e-mail address, and an address cannot inject mail headers."""
    answer = client.post("/api/auth/register", json={**GOOD, "email": email})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {"email"} == answer.fields


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\udfff", "\\udc00\\ud800"])
@pytest.mark.parametrize("field", sorted(GOOD))
def test_text_that_no_database_can_keep(client: Client, field: str, escape: str) -> None:
    """NUL characters and lone surrogates are refused on their field."""
    fields = {name: f'"{value}"' for name, value in GOOD.items()}
    fields[field] = fields[field].replace('"', f'"{escape}', 1)
    body = "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"
    answer = client.post("/api/auth/register", content=body.encode())

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {field} == answer.fields


@pytest.mark.parametrize(
    "name",
    [
        *("Eve\r\nSet-Cookie: a=b", "Eve\x1b[31m", "Eve\x7f", "Eve\x00", "Eve\u2028"),
        *("Eve\u202enimda", "\u2066Eve", "Eve\u061c", "Eve\u200b", "Eve\U000e0041", "\u3164"),
    ],
)
def test_name_is_one_line(client: Client, ada: User, name: str) -> None:
    """A name cannot contain a header, a terminal escape, a second line or invisible characters."""
    answer = client.put("/api/users/me", token=ada.access_token, json={"full_name": name})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {"full_name"} == answer.fields


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "",
    ],
)
def test_other_media_type(client: Client, content_type: str) -> None:
    """Only JSON is accepted, so a form on another site cannot post here."""
    answer = client.post(
        "/api/auth/login", content=b'{"email": "a@example.com"}', headers={"content-type": content_type}
    )

    assert answer.outcome == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"]
)
def test_media_type_in_other_words(client: Client, content_type: str) -> None:
    """The media type may be in any case and have a charset."""
    user = {"email": new_email(), "password": PASSWORD}
    body = f'{{"email": "{user["email"]}", "password": "{PASSWORD}"}}'.encode()
    answer = client.post("/api/auth/login", content=body, headers={"content-type": content_type})

    assert answer.outcome == (401, "INVALID_CREDENTIALS")


def test_largest_body(client: Client) -> None:
    """A body of 64 KiB is accepted, one of one byte more is not."""
    body = b'{"refresh_token": "x"}'
    fitting = body + b" " * (LIMIT_BYTES - len(body))

    assert client.post("/api/auth/refresh", content=fitting).outcome == (401, "TOKEN_INVALID")
    assert client.post("/api/auth/refresh", content=fitting + b" ").outcome == (413, "PAYLOAD_TOO_LARGE")


def test_large_body_is_refused_unread(base_url: str) -> None:
    """A body that is announced as too large is refused before it is read."""
    answer = exchange(
        base_url,
        head("POST", "/api/auth/login", "Content-Type: application/json", f"Content-Length: {10**9}"),
    )

    assert answer.outcome == (413, "PAYLOAD_TOO_LARGE")


def test_chunked_body_is_counted(base_url: str) -> None:
    """A body of unknown length is refused as soon as it is too large."""
    announced = head(
        "POST", "/api/auth/login", "Content-Type: application/json", "Transfer-Encoding: chunked"
    )
    answer = exchange(base_url, [announced, *[chunk(b" " * 8192) for _ in range(9)]])

    assert answer.outcome == (413, "PAYLOAD_TOO_LARGE")


def test_chunked_body_is_read(base_url: str) -> None:
    """A chunked body is accepted."""
    announced = head(
        "POST", "/api/auth/refresh", "Content-Type: application/json", "Transfer-Encoding: chunked"
    )
    answer = exchange(base_url, [announced, chunk(b'{"refresh_'), chunk(b'token": "x"}'), chunk(b"")])

    assert answer.outcome == (401, "TOKEN_INVALID")


def test_no_body_at_all(base_url: str) -> None:
    """A POST without length and body is not JSON."""
    answer = exchange(
        base_url, head("POST", "/api/auth/login", "Content-Type: application/json", "Connection: close")
    )

    assert answer.outcome == (400, "INVALID_JSON")


def test_body_of_another_encoding(client: Client) -> None:
    """A compressed body is not JSON, and is not decompressed."""
    answer = client.post("/api/auth/login", content=b"\x1f\x8b\x08\x00", headers={"content-encoding": "gzip"})

    assert answer.outcome in {(400, "INVALID_JSON"), (415, "UNSUPPORTED_MEDIA_TYPE")}


@pytest.mark.parametrize(
    "path", ["/api/auth/passkeys/login/options", "/api/auth/mfa/totp", "/api/auth/logout"]
)
@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"scope": "all"}', (422, "VALIDATION_ERROR")),
        (b"[]", (400, "INVALID_JSON")),
        (b"{", (400, "INVALID_JSON")),
    ],
    ids=repr,
)
def test_calls_without_fields(
    client: Client, ada: User, path: str, body: bytes, outcome: tuple[int, str]
) -> None:
    """Routes without fields refuse a body with fields."""
    answer = client.post(path, token=ada.access_token, content=body)

    assert answer.outcome == outcome
    if answer.status == 422:
        assert answer.fields == {"scope"}


def test_calls_without_fields_take_an_empty_body(client: Client) -> None:
    """No body and an empty object are accepted; another media type is refused."""
    path = "/api/auth/passkeys/login/options"
    assert client.post(path).status == client.post(path, json={}).status == 200
    assert client.post(path, content=b"a=1", headers={"content-type": "text/plain"}).status == 415

"""Every answer under `/api/` looks the same (the `client` fixture checks each one) and can be traced."""

import re

import httpx
import pytest

from tests.system.client import TIME, UUID7, Client, User


def test_success_carries_data(client: Client, ada: User) -> None:
    """A success has `success: true`, data and no error."""
    answer = client.who(ada.access_token)

    assert answer.outcome == (200, None)
    assert answer.body["success"] is True
    assert ada.id == answer.data["id"]
    assert "pagination" not in answer.body["metadata"]


def test_failure_carries_an_error(client: Client) -> None:
    """A failure has `success: false`, no data, and names the first wrong field."""
    answer = client.post("/api/auth/login", json={"email": "nonsense", "password": "x"})

    assert answer.body["success"] is False
    assert answer.body["data"] is None
    assert answer.body["error"]["field"] == "email"
    assert answer.body["error"]["message"].startswith("email: ")
    assert [{"field": "email", "message": answer.body["error"]["message"].removeprefix("email: ")}] == (
        answer.body["error"]["details"]["errors"]
    )


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/", "/api/nothing", "/api/users/me/", "/api/auth/login/", "/api//users/me", "/nothing"],
)
def test_unknown_path(client: Client, path: str) -> None:
    """An unknown path is 404 in the envelope; a trailing slash is not redirected."""
    answer = client.get(path)

    assert answer.outcome == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/auth/login", {"POST"}),
        ("GET", "/api/auth/register", {"POST"}),
        ("POST", "/api/users/me", {"GET", "PUT", "DELETE"}),
        ("PATCH", "/api/users", {"GET"}),
        ("POST", "/api/health", {"GET"}),
        ("TRACE", "/api/auth/me", {"GET"}),
    ],
)
def test_other_method(client: Client, method: str, path: str, allowed: set[str]) -> None:
    """A known path with another method is 405, and `Allow` says which methods it knows."""
    answer = client.call(method, path)

    assert answer.outcome == (405, "METHOD_NOT_ALLOWED")
    assert allowed <= set(re.split(r",\s*", answer.headers["allow"]))


@pytest.mark.parametrize("request_id", ["a", "0192f1c4-7b1a-7c00-8000-000000000000", "A.b_c-9", "x" * 128])
def test_request_id_is_kept(client: Client, request_id: str) -> None:
    """A client's own request id comes back in the header and in the envelope."""
    answer = client.get("/api/health", headers={"X-Request-ID": request_id})

    assert request_id == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "request_id", ["", "x" * 129, "a b", "a,b", "<script>", "é".encode(), b"\xff", "a\tb"]
)
def test_request_id_is_replaced(client: Client, request_id: str | bytes) -> None:
    """A request id that could harm a log or a page is replaced."""
    answer = client.get("/api/health", headers={"X-Request-ID": request_id})

    assert UUID7.fullmatch(answer.headers["x-request-id"])


def test_request_ids_differ(client: Client) -> None:
    """Two requests never share a generated id, errors included."""
    ids = {client.get("/api/nothing").headers["x-request-id"] for _ in range(5)}

    assert len(ids) == 5


def test_request_id_outside_the_api(base_url: str) -> None:
    """Pages outside `/api/` carry a request id as well."""
    response = httpx.get(f"{base_url}/health", headers={"X-Request-ID": "mine"})

    assert response.headers["x-request-id"] == "mine"


def test_traceparent_is_accepted(client: Client) -> None:
    """A trace context, valid or not, never breaks the call."""
    for value in ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "nonsense", "00-0-0-01"):
        answer = client.get("/api/health", headers={"traceparent": value, "tracestate": "a=b"})

        assert answer.status in {200, 503}


def test_user_is_shaped_as_promised(client: Client) -> None:
    """A user has the ten fields of the contract; times are RFC 3339 UTC and the id is a UUIDv7."""
    user = client.who(client.join().access_token).data

    assert {
        "id",
        "email",
        "pending_email",
        "full_name",
        "role",
        "is_active",
        "email_verified",
        "created_at",
        "updated_at",
        "last_login_at",
    } == set(user)
    assert UUID7.fullmatch(user["id"])
    assert all(TIME.fullmatch(user[name]) for name in ("created_at", "updated_at", "last_login_at"))
    assert (user["role"], user["is_active"], user["email_verified"]) == ("user", True, False)
    assert user["pending_email"] is None


def test_list_is_paged(client: Client, admin: User) -> None:
    """A list puts its rows in `data` and its place in `metadata.pagination`."""
    answer = client.get("/api/users", token=admin.access_token)

    assert isinstance(answer.data, list)
    assert {
        "page",
        "page_size",
        "total_items",
        "total_pages",
        "has_next",
        "has_prev",
        "next_cursor",
    } == set(answer.pagination)


def test_documentation_is_served(client: Client) -> None:
    """The documentation is where FastAPI's users expect it."""
    described = client.get("/openapi.json")
    paths = described.body["paths"]

    assert client.get("/docs").status == 200
    assert {"post"} == set(paths["/api/auth/login"])
    assert {"get", "put", "delete"} <= set(paths["/api/users/me"])
    assert "VALIDATION_ERROR" in described.text

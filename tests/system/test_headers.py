"""Headers that protect browsers: on every answer; other origins only as far as the allow-list."""

from collections.abc import Iterator

import pytest

from tests.system.client import Client, User
from tests.system.running_system import System

ORIGIN = "https://app.example.com"


@pytest.mark.parametrize(
    "path",
    [
        "/api/users/me",
        "/api/nothing",
        "/health",
        "/ready",
        "/docs",
        "/openapi.json",
        "/status",
        "/.well-known/jwks.json",
        "/nothing",
    ],
)
def test_security_headers(client: Client, path: str) -> None:
    """Answers are not sniffed, framed or steered by the page that opened them, and send no referrer."""
    headers = client.get(path).headers

    kind, _, parameters = headers["content-type"].partition(";")
    assert kind == ("text/html" if path in {"/docs", "/status"} else kind)
    assert kind.endswith("json") or "charset=utf-8" in parameters.lower()
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] in {"no-referrer", "same-origin", "strict-origin-when-cross-origin"}
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src" in policy
    assert "strict-transport-security" not in headers, "HSTS over plain HTTP means nothing"
    assert headers.get("server", "").lower() not in {"uvicorn", "envoy"}
    assert "x-powered-by" not in headers


def test_scripts_are_not_allowed_by_the_api(client: Client) -> None:
    """An answer of the API, opened in a browser, runs no script."""
    policy = client.get("/api/users/me").headers["content-security-policy"]

    assert "default-src 'none'" in policy


def test_answers_about_users_are_not_kept(client: Client, ada: User) -> None:
    """No cache stores what belongs to one user."""
    for path in ("/api/users/me", "/api/auth/sessions"):
        control = client.get(path, token=ada.access_token).headers["cache-control"]

        assert "no-store" in control or "private" in control
        assert "public" not in control


@pytest.fixture(scope="module", name="listed")
def _listed(system: System) -> Iterator[Client]:
    """A gateway with one allowed origin."""
    with (
        system.gateway(GATEWAY_CORS_ORIGINS=f"{ORIGIN},https://admin.example.com") as url,
        Client(url) as client,
    ):
        yield client


def test_preflight(listed: Client) -> None:
    """An allowed origin may send what the contract's calls need."""
    answer = _preflight(listed, ORIGIN, "PUT")

    assert answer["status"] in {"200", "204"}
    assert answer["access-control-allow-origin"] == ORIGIN
    assert "PUT" in answer["access-control-allow-methods"]
    allowed = answer["access-control-allow-headers"].lower()
    for name in (
        "authorization",
        "content-type",
        "if-match",
        "if-none-match",
        "x-request-id",
        "idempotency-key",
        "last-event-id",
        "traceparent",
        "tracestate",
    ):
        assert name in allowed.split(", ")
    assert "origin" in answer["vary"].lower()


def test_answer_to_a_listed_origin(listed: Client) -> None:
    """An allowed origin reads answers, errors too, and the headers that the contract names."""
    for path in ("/api/health", "/api/users/me", "/api/nothing"):
        headers = listed.get(path, headers={"origin": ORIGIN}).headers

        assert headers["access-control-allow-origin"] == ORIGIN
        assert "origin" in headers["vary"].lower()
        exposed = headers["access-control-expose-headers"].lower()
        for name in (
            "etag",
            "x-request-id",
            "retry-after",
            "ratelimit",
            "www-authenticate",
            "idempotency-replayed",
            "stream-lifetime",
        ):
            assert name in exposed


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "http://app.example.com",
        "https://app.example.com.evil.example",
        "https://app.example.com:444",
        "null",
        "*",
        "https://APP.example.com.",
    ],
)
def test_other_origins(listed: Client, origin: str) -> None:
    """Another origin, however similar, reads nothing."""
    assert "access-control-allow-origin" not in _preflight(listed, origin, "GET")
    assert "access-control-allow-origin" not in listed.get("/api/health", headers={"origin": origin}).headers


def test_no_origin_is_allowed_by_default(client: Client) -> None:
    """Without an allow-list no other origin reads anything."""
    headers = client.get("/api/health", headers={"origin": ORIGIN}).headers

    assert "access-control-allow-origin" not in headers


def _preflight(client: Client, origin: str, method: str) -> dict[str, str]:
    """Sends the preflight of a browser; returns the headers in lower case, and the status."""
    with Client(client.url) as browser:
        response = browser._client.options(
            "/api/users/me",
            headers={
                "origin": origin,
                "access-control-request-method": method,
                "access-control-request-headers": "authorization,content-type,if-match",
            },
        )
    return {
        **{name.lower(): value for name, value in response.headers.items()},
        "status": str(response.status_code),
    }

"""Every status that the document lists for a call can be produced."""

from typing import Any

import pytest

from tests.system.client import Answer, Client
from tests.system.raw import exchange

Calls = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module", name="calls")
def _calls(client: Client) -> Calls:
    """Every call of the document, by method and path."""
    paths = client.get("/openapi.json").body["paths"]
    return {
        (method.upper(), path.replace("{", "").replace("}", "")): operation
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


def _ask(url: str, call: tuple[str, str], *headers: str, body: str = "") -> Answer:
    method, path = call
    lines = (f"{method} {path} HTTP/1.1", "Host: vestibule", "Connection: close", *headers, "", body)
    return exchange(url, "\r\n".join(lines).encode())


def test_malformed_http(base_url: str, calls: Calls) -> None:
    """Every call documents 400, and answers it to a second `Host` header."""
    for call, operation in calls.items():
        assert "400" in operation["responses"]
        assert _ask(base_url, call, "Host: other").outcome[0] == 400, call


def test_too_large(base_url: str, calls: Calls) -> None:
    """Every API call documents 413, and answers it before it reads the body or asks for a token."""
    for call, operation in calls.items():
        if call[1].startswith("/api/"):
            assert "413" in operation["responses"]
        if not operation["security"]:
            assert _ask(base_url, call, "Content-Length: 70000", "Expect: 100-continue").status == 413, call


def test_anonymous_clients_get_401(base_url: str, calls: Calls) -> None:
    """401 without a token, by exactly the calls that have `security`; 426 by WebSockets."""
    for call, operation in calls.items():
        if "stream" in call[1]:
            continue
        answer = _ask(base_url, call)
        if "x-websocket" in operation:
            assert answer.status == 426
        else:
            assert bool(operation["security"]) == (answer.status == 401), (call, answer)
        assert str(answer.status) in operation["responses"], (call, answer)


def test_a_body_of_another_type(base_url: str, calls: Calls) -> None:
    """415 by the calls that document it and need no token."""
    for call, operation in calls.items():
        if "415" in operation["responses"] and not operation["security"]:
            answer = _ask(base_url, call, "Content-Type: text/plain", "Content-Length: 2", body="{}")
            assert answer.outcome == (415, "UNSUPPORTED_MEDIA_TYPE"), call


def test_a_name_for_the_request_that_is_none(base_url: str, calls: Calls) -> None:
    """422 by every public POST, for a malformed `Idempotency-Key` or a body without its fields."""
    for call, operation in calls.items():
        if call[0] == "POST" and not operation["security"]:
            headers = ("Content-Type: application/json", "Content-Length: 2", "Idempotency-Key: " + "x" * 129)
            assert "422" in operation["responses"]
            assert _ask(base_url, call, *headers, body="{}").outcome == (422, "VALIDATION_ERROR"), call


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        (("PUT", "/api/users/me"), 401, "REAUTHENTICATION_REQUIRED"),
        (("DELETE", "/api/users/me"), 429, "TOO_MANY_ATTEMPTS"),
        (("POST", "/api/auth/passkeys/options"), 403, "EMAIL_NOT_VERIFIED"),
        (("POST", "/api/auth/login"), 401, "TOKEN_REVOKED"),
    ],
)
def test_codes_are_named(calls: Calls, call: tuple[str, str], status: int, code: str) -> None:
    """Also those that come from the rules of a field, another service's check or an `Idempotency-Key`."""
    assert f"`{code}`" in calls[call]["responses"][str(status)]["description"]

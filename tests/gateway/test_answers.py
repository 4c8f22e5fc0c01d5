"""What every answer carries, whatever it says."""

import asyncio
import json
import time
from uuid import UUID

import httpx
import pytest
from chassis.errors import DeadlineExceeded, FieldError, Invalid, Kind, ServiceError, Unavailable
from chassis.identity.role import Role
from chassis.ids import uuid7
from vestibule.health.v1 import health_service_pb2

from tests.gateway.stack import FakeUpstream, Gateway, bearer
from tests.user_service.auth_stand_in import AuthStandIn
from tests.waiting import SLOW_MACHINE_SECONDS, WITHIN_SECONDS


async def test_success_is_enveloped(gateway: Gateway, token: str, ada: UUID) -> None:
    """Data, metadata and time stand where the contract has them."""
    answer = await gateway.http.get("/api/users/me", headers=bearer(token))
    body = answer.json()

    assert answer.status_code == 200
    assert list(body) == ["success", "data", "error", "metadata", "timestamp"]
    assert body["success"] is True
    assert body["data"]["id"] == str(ada)
    assert body["data"]["role"] == "user"
    assert body["data"]["last_login_at"] is None
    assert "etag" not in body["data"]
    assert answer.headers["etag"] == '"Ada"'
    assert body["metadata"]["request_id"] == answer.headers["x-request-id"]


async def test_lists_have_their_page_in_the_metadata(gateway: Gateway, auth: AuthStandIn, ada: UUID) -> None:
    """Rows are the data; numbers are numbers, however large; defaults come from the protos."""
    answer = await gateway.http.get("/api/users", headers=bearer(auth.token(ada, Role.ADMIN)))
    body = answer.json()

    assert [row["full_name"] for row in body["data"]] == ["Ada"]
    assert body["metadata"]["pagination"]["total_items"] == 2**40
    assert body["metadata"]["pagination"]["next_cursor"] is None


async def test_the_service_learns_who_asks(
    gateway: Gateway, upstream: FakeUpstream, token: str, ada: UUID
) -> None:
    """Request id, address and User-Agent of the client arrive, vouched for by the gateway."""
    headers = bearer(token, **{"X-Request-ID": "abc.1", "User-Agent": "a test", "X-Forwarded-For": "6.6.6.6"})
    await gateway.http.get("/api/users/me", headers=headers)
    (caller,) = upstream.callers

    assert (caller.user_id, caller.service) == (ada, "gateway")
    assert (caller.request_id, caller.user_agent, caller.client_address) == ("abc.1", "a test", "127.0.0.1")


@pytest.mark.parametrize("request_id", ["x" * 129, "a b", "ä", "a/b", ""])
async def test_odd_request_ids_are_replaced(gateway: Gateway, request_id: str) -> None:
    """A client's id is kept only when it is well formed."""
    answer = await gateway.http.get("/health", headers=[(b"X-Request-ID", request_id.encode())])

    assert UUID(answer.headers["x-request-id"]).version == 7


async def test_unknown_paths_and_methods(gateway: Gateway) -> None:
    """404 and 405 are enveloped under /api/, and 405 says what would do."""
    unknown = await gateway.http.get("/api/nothing")
    other = await gateway.http.patch("/api/users/me")

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert (other.status_code, other.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert other.headers["allow"] == "DELETE, GET, HEAD, PUT"
    assert (await gateway.http.get("/api/users/me/")).status_code == 404
    assert "success" not in (await gateway.http.get("/nothing")).json()


async def test_encoded_slash_parts_nothing(gateway: Gateway, token: str) -> None:
    """`a%2Fb` is one segment, and not an id."""
    answer = await gateway.http.get("/api/users/me%2Fpassword", headers=bearer(token))

    assert answer.status_code == 403


async def test_head_is_get_without_a_body(gateway: Gateway, token: str) -> None:
    """The headers are those of GET."""
    answer = await gateway.http.head("/api/users/me", headers=bearer(token))

    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 100


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unavailable(retry_after_seconds=2.5), 503),
        (DeadlineExceeded(), 504),
        (Invalid(field_errors=[FieldError("full_name", "is odd"), FieldError("email", "is taken")]), 422),
    ],
)
async def test_a_services_error_is_returned(
    gateway: Gateway, upstream: FakeUpstream, token: str, error: ServiceError, status: int
) -> None:
    """Its code, its fields and when to come back reach the client."""
    upstream.failure = error
    answer = await gateway.http.get("/api/users/me", headers=bearer(token))
    body = answer.json()["error"]

    assert (answer.status_code, body["code"]) == (status, error.reason)
    if status == 503:
        assert answer.headers["retry-after"] == "3"
    if status == 422:
        assert (body["field"], body["message"]) == ("full_name", "full_name: is odd")
        assert [each["field"] for each in body["details"]["errors"]] == ["full_name", "email"]


async def test_precondition_is_412(gateway: Gateway, upstream: FakeUpstream, token: str) -> None:
    """A version conflict has the status that HTTP keeps for it."""

    class VersionConflict(ServiceError):
        kind = Kind.PRECONDITION
        reason = "VERSION_CONFLICT"
        message = "Changed since."

    upstream.failure = VersionConflict()
    answer = await gateway.http.put("/api/users/me", headers=bearer(token), json={"full_name": "B"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (412, "VERSION_CONFLICT")


async def test_a_bug_shows_nothing(gateway: Gateway, upstream: FakeUpstream, token: str) -> None:
    """An untyped error is a 500 of constant text."""
    upstream.failure = RuntimeError("secret sauce")  # type: ignore[assignment] # a bug is no ServiceError
    answer = await gateway.http.get("/api/users/me", headers=bearer(token))

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL")
    assert "sauce" not in answer.text


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "UNAUTHENTICATED"),
        ({"Authorization": "Basic YTpi"}, "UNAUTHENTICATED"),
        ({"Authorization": "Bearer"}, "UNAUTHENTICATED"),
        ({"Authorization": "Bearer nonsense"}, "TOKEN_INVALID"),
        ({"Authorization": "Bearer a.b.c"}, "TOKEN_INVALID"),
    ],
)
async def test_no_token_no_entry(
    gateway: Gateway, upstream: FakeUpstream, headers: dict[str, str], code: str
) -> None:
    """Strangers are stopped at the gateway, with a challenge."""
    answer = await gateway.http.get("/api/users/me", headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert upstream.calls == []


async def test_authorize_before_looking(gateway: Gateway, upstream: FakeUpstream, token: str) -> None:
    """Who may not ask gets 403, whether the thing exists, or is even an id, or not."""
    for path in ("/api/users", f"/api/users/{uuid7()}", "/api/users/nonsense"):
        answer = await gateway.http.get(path, headers=bearer(token))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert upstream.calls == []


async def test_an_old_proof_is_refused_by_rfc_9470(
    gateway: Gateway, upstream: FakeUpstream, auth: AuthStandIn, ada: UUID
) -> None:
    """The challenge says what is wrong and how old a proof may be; the service is not asked."""
    other = f"/api/users/{uuid7()}"
    old = auth.token(ada, Role.ADMIN, auth_time=int(time.time()) - 400)
    answer = await gateway.http.delete(other, headers=bearer(old))
    challenge = answer.headers["www-authenticate"]

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "REAUTHENTICATION_REQUIRED")
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'max_age="300"' in challenge
    assert upstream.callers == []
    forbidden = auth.token(ada, Role.USER, auth_time=int(time.time()) - 400)
    assert (await gateway.http.delete(other, headers=bearer(forbidden))).status_code == 403
    own = f"/api/users/{str(ada).upper()}"
    assert (await gateway.http.delete(own, headers=bearer(old))).status_code == 403


async def test_one_fields_proof_is_asked_before_the_field_is_validated(
    gateway: Gateway, upstream: FakeUpstream, auth: AuthStandIn, ada: UUID
) -> None:
    """A new address needs a fresh proof, a new name does not."""
    old = bearer(auth.token(ada, Role.USER, auth_time=int(time.time()) - 400))
    for email in ("ada@example.org", "no address"):
        answer = await gateway.http.put("/api/users/me", headers=old, json={"email": email})
        assert answer.json()["error"]["code"] == "REAUTHENTICATION_REQUIRED"

    assert upstream.callers == []


async def test_unhealthy_is_503_with_data(gateway: Gateway, upstream: FakeUpstream) -> None:
    """A status rule of the protos decides the status; the data stays."""
    upstream.status = health_service_pb2.STATUS_UNHEALTHY
    answer = await gateway.http.get("/api/health")

    assert answer.status_code == 503
    assert answer.json()["data"] == {"status": "unhealthy", "components": []}
    assert answer.json()["success"] is False
    assert "retry-after" in answer.headers


async def test_security_headers_on_everything(gateway: Gateway) -> None:
    """Also on errors; no server's name; nothing is kept by caches."""
    for path in ("/api/nothing", "/health", "/api/health", "/docs"):
        headers = (await gateway.http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "default-src" in headers["content-security-policy"]
        assert "server" not in headers
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers


async def test_cors_by_an_allow_list(gateway: Gateway) -> None:
    """Only a listed origin is let in, preflight and call alike."""
    ask = {"Access-Control-Request-Method": "PUT"}
    for origin, allowed in (("https://app.example", True), ("https://evil.example", False)):
        preflight = await gateway.http.options("/api/users/me", headers={"Origin": origin, **ask})
        call = await gateway.http.get("/api/health", headers={"Origin": origin})
        assert preflight.status_code == 204
        for answer in (preflight, call):
            assert (answer.headers.get("access-control-allow-origin") == origin) is allowed


async def test_slow_service_is_504(
    gateway: Gateway, upstream: FakeUpstream, auth: AuthStandIn, users_address: str
) -> None:
    """The deadline is the gateway's, and holds."""
    upstream.answering.clear()
    started = asyncio.get_running_loop().time()
    answer = await gateway.http.get("/api/health", timeout=WITHIN_SECONDS)

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "DEADLINE_EXCEEDED")
    assert asyncio.get_running_loop().time() - started < SLOW_MACHINE_SECONDS


async def test_documentation_is_served(gateway: Gateway) -> None:
    """The document is OpenAPI, and Swagger UI comes from here."""
    document = (await gateway.http.get("/openapi.json")).json()
    page = await gateway.http.get("/docs")

    assert document["openapi"].startswith("3.1")
    assert document["paths"]["/api/users/{user_id}"]["get"]["security"] == [{"bearer": []}]
    assert "/docs/swagger-ui-bundle.js" in page.text
    assert (await gateway.http.get("/docs/swagger-ui-bundle.js")).status_code == httpx.codes.OK
    assert json.dumps(document).count("HTTPValidationError") == 0

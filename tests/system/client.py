"""A client of the gateway that checks every answer against the contract's envelope."""

import itertools
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx
import pytest

from tests.system.mailbox import Mailbox
from tests.waiting import wait_for

PASSWORD = "plum-harbor-velvet-quill"
"""A password that every password rule accepts."""

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")

_TLS = httpx.create_ssl_context()
"""Made once: reading the machine's certificates for each client would take longer than most tests."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Answer:
    """What the gateway answered.

    Attributes:
        status: The HTTP status.
        headers: The headers; names in any case.
        body: The JSON, or None without a body.
        text: The body as it came.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    text: str

    @property
    def data(self) -> Any:
        """The `data` of the envelope."""
        return self.body["data"]

    @property
    def code(self) -> str | None:
        """The error's code; None on success."""
        error = self.body and self.body["error"]
        return error["code"] if error else None

    @property
    def outcome(self) -> tuple[int, str | None]:
        """Status and code, as in the contract's table of errors."""
        return self.status, self.code

    @property
    def fields(self) -> set[str]:
        """The fields named by a 422."""
        return {problem["field"] for problem in self.body["error"]["details"]["errors"]}

    @property
    def pagination(self) -> dict[str, Any]:
        """The pagination of a list."""
        found: dict[str, Any] = self.body["metadata"]["pagination"]
        return found


@dataclass(frozen=True)
class User:
    """A user who has registered and may have signed in."""

    id: str
    email: str
    password: str
    full_name: str
    access_token: str = ""
    refresh_token: str = ""


class Client:
    """Calls one gateway.

    Args:
        url: Where the gateway is.
        headers: Headers of every call.
        mailbox: Where mails can be read; None where they cannot.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str] | None = None, *, mailbox: Mailbox | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._mailbox = mailbox
        self._client = httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=_TLS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        json: Any = None,
        content: Any = None,
        params: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Makes one call and checks the answer against the contract's rules for every answer."""
        sent = httpx.Headers([(name.encode(), _bytes(value)) for name, value in (headers or {}).items()])
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        if content is not None:
            sent.setdefault("content-type", "application/json")
        response = self._client.request(method, path, headers=sent, json=json, content=content, params=params)
        answer = answered(response)
        if path.startswith("/api/") and "text/event-stream" not in answer.headers.get("content-type", ""):
            assert_envelope(answer)
        return answer

    def get(self, path: str, **arguments: Any) -> Answer:
        """GET."""
        return self.call("GET", path, **arguments)

    def post(self, path: str, **arguments: Any) -> Answer:
        """POST."""
        return self.call("POST", path, **arguments)

    def put(self, path: str, **arguments: Any) -> Answer:
        """PUT."""
        return self.call("PUT", path, **arguments)

    def delete(self, path: str, **arguments: Any) -> Answer:
        """DELETE."""
        return self.call("DELETE", path, **arguments)

    def register(self, *, email: str | None = None, full_name: str = "Ada Lovelace") -> User:
        """Registers a user, with a new address unless one is given."""
        email = email or new_email()
        user = {"email": email, "password": PASSWORD, "full_name": full_name}
        answer = self._served("/api/auth/register", user)

        assert answer.outcome == (201, None), answer.text
        return User(answer.data["id"], email, PASSWORD, full_name)

    def sign_in(self, user: User) -> User:
        """Returns the user with the tokens of a new session."""
        answer = self._served("/api/auth/login", {"email": user.email, "password": user.password})

        assert answer.outcome == (200, None), answer.text
        return User(
            user.id,
            user.email,
            user.password,
            user.full_name,
            answer.data["access_token"],
            answer.data["refresh_token"],
        )

    def join(self, *, proven: bool = False, **arguments: Any) -> User:
        """Registers a user and signs the user in, with a verified address if asked for."""
        user = self.register(**arguments)
        if proven:
            self.prove(user)
        return self.sign_in(user)

    def prove(self, user: User) -> None:
        """Verifies a user's address with the token that was mailed to it."""
        if self._mailbox is None:
            pytest.skip("proves addresses by mails, which cannot be read here")
        body = {"token": self._mailbox.verification_token(user.email)}
        answer = self.post("/api/auth/email/verify", json=body)
        assert answer.outcome == (204, None), answer.text

    def change_email(self, user: User, email: str, mailbox: Mailbox) -> None:
        """Changes a user's address and verifies the new one with the token that was mailed to it."""
        asked = self.put("/api/users/me", token=user.access_token, json={"email": email})
        assert asked.outcome == (200, None), asked.text
        proof = {"token": mailbox.verification_token(email)}
        proven = self.post("/api/auth/email/verify", json=proof)
        assert proven.outcome == (204, None), proven.text

    def _served(self, path: str, body: Mapping[str, str]) -> Answer:
        """Posts; repeats what a busy machine refuses with 503, as clients do."""

        def served() -> Answer | None:
            answer = self.post(path, json=body)
            return None if answer.status == httpx.codes.SERVICE_UNAVAILABLE else answer

        return wait_for(served)

    def who(self, token: str) -> Answer:
        """Returns the user that a token belongs to."""
        return self.get("/api/users/me", token=token)


def new_email() -> str:
    """Returns an address that no user has."""
    return f"user-{next(_numbers)}-{secrets.token_hex(6)}@example.com"


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def answered(response: httpx.Response) -> Answer:
    """Reads a response."""
    is_json = response.content and "json" in response.headers.get("content-type", "")
    return Answer(response.status_code, response.headers, response.json() if is_json else None, response.text)


def assert_envelope(answer: Answer) -> None:
    """Checks an answer below `/api/` against the envelope and the headers of the contract.

    Raises:
        AssertionError: The answer is not as the contract says.
    """
    assert answer.status != 500, answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]
    if answer.status in {204, 304}:
        assert answer.text == ""
        return
    body = answer.body

    assert {"success", "data", "error", "metadata", "timestamp"} == set(body)
    assert answer.headers["x-request-id"] == body["metadata"]["request_id"]
    assert body["metadata"]["version"]
    assert TIME.fullmatch(body["timestamp"])
    age = datetime.now(UTC) - datetime.fromisoformat(body["timestamp"])
    assert abs(age) < timedelta(minutes=1)
    if body["success"]:
        assert body["error"] is None
        assert answer.status in {200, 201, 202}
    else:
        assert answer.status >= 400
        assert {"code", "message", "field", "details"} == set(body["error"])
        assert isinstance(body["error"]["message"], str)
        assert body["error"]["message"]
        _assert_status_headers(answer)


def _assert_status_headers(answer: Answer) -> None:
    if answer.status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if answer.status in {429, 503}:
        assert int(answer.headers["retry-after"]) >= 1
    if answer.status == 405:
        assert answer.headers["allow"]
    if answer.status == 422 and answer.code == "VALIDATION_ERROR":
        assert answer.fields

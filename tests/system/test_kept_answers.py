"""Stored answers of `Idempotency-Key`: which clients get them, what ends them, and what they reveal."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from vestibule.auth.v1 import auth_service_pb2

from tests.system.client import PASSWORD, Answer, Client, User, new_email
from tests.system.machines import KEYS
from tests.system.mailbox import Mailbox
from tests.system.running_system import System

NEW_PASSWORD = "copper-lantern-orbit-fern"
HOME, TRAIN = "203.0.113.7", "198.51.100.9"
LOGIN = "/api/auth/login"


def _post(client: Client, path: str, key: str, body: dict[str, Any], **further: Any) -> Answer:
    headers = {"idempotency-key": key, **further.pop("headers", {})}
    return client.post(path, headers=headers, json=body, **further)


def _replayed(answer: Answer) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


def _credentials(user: User, password: str = PASSWORD) -> dict[str, str]:
    return {"email": user.email, "password": password}


@pytest.fixture(name="behind_proxy", scope="module")
def _behind_proxy(proxied: str) -> Iterator[Client]:
    """A client whose address is what it says in `X-Forwarded-For`."""
    with Client(proxied) as client:
        yield client


def _from(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


def test_a_wrong_password_is_given_nothing(client: Client) -> None:
    """A wrong password under a used key is refused, before and after the right one."""
    ada = client.register()
    assert _post(client, LOGIN, ada.id, _credentials(ada)).status == 200
    for _ in range(3):
        wrong = _post(client, LOGIN, ada.id, _credentials(ada, NEW_PASSWORD))
        assert (wrong.outcome, wrong.fields) == ((422, "VALIDATION_ERROR"), {"Idempotency-Key"})
        assert wrong.data is None
    assert _replayed(_post(client, LOGIN, ada.id, _credentials(ada)))
    other = new_email()
    assert _post(client, LOGIN, other, _credentials(ada, NEW_PASSWORD)).outcome == (
        401,
        "INVALID_CREDENTIALS",
    )
    assert _post(client, LOGIN, other, _credentials(ada)).status == 422


def test_a_changed_password_ends_kept_answers(client: Client) -> None:
    """Neither the old password nor the new one restores the old session."""
    ada = client.join()
    first = _post(client, LOGIN, ada.id, _credentials(ada))
    change = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert client.put("/api/users/me/password", token=ada.access_token, json=change).status == 204

    assert _post(client, LOGIN, ada.id, _credentials(ada)).outcome == (401, "TOKEN_REVOKED")
    assert client.who(first.data["access_token"]).outcome == (401, "TOKEN_REVOKED")
    assert client.post(LOGIN, json=_credentials(ada, NEW_PASSWORD)).status == 200


def test_a_password_that_was_changed_in_its_session_restores_it_no_more(client: Client) -> None:
    """The session goes on, but its sign-in cannot be repeated with the former password."""
    ada = client.register()
    here = _post(client, LOGIN, ada.id, _credentials(ada)).data["access_token"]
    change = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert client.put("/api/users/me/password", token=here, json=change).status == 204

    assert _post(client, LOGIN, ada.id, _credentials(ada)).outcome == (401, "TOKEN_REVOKED")
    assert client.who(here).status == 200


@pytest.mark.parametrize("end", ["logout", "logout-all", "session", "reset", "deactivated", "reused"])
def test_what_ends_a_session_ends_its_kept_answers(
    client: Client, admin: User, mailbox: Mailbox, end: str
) -> None:
    """However the session ended."""
    ada = client.register()
    tokens = _post(client, LOGIN, ada.id, _credentials(ada)).data
    token = tokens["access_token"]
    if end in ("logout", "logout-all"):
        assert client.post(f"/api/auth/{end}", token=token).status == 204
    elif end == "session":
        (session,) = client.get("/api/auth/sessions", token=token).data
        other = client.sign_in(ada).access_token
        assert client.delete(f"/api/auth/sessions/{session['id']}", token=other).status == 204
    elif end == "reset":
        client.post("/api/auth/password/forgot", json={"email": ada.email})
        reset = {"token": mailbox.reset_token(ada.email), "new_password": NEW_PASSWORD}
        assert client.post("/api/auth/password/reset", json=reset).status == 204
    elif end == "deactivated":
        path = f"/api/users/{ada.id}"
        assert client.put(path, token=admin.access_token, json={"is_active": False}).status == 200
        assert client.put(path, token=admin.access_token, json={"is_active": True}).status == 200
    else:
        newer = tokens
        for _ in range(2):
            newer = client.post("/api/auth/refresh", json={"refresh_token": newer["refresh_token"]}).data
        again = client.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert again.outcome == (401, "TOKEN_REVOKED")

    assert _post(client, LOGIN, ada.id, _credentials(ada)).outcome == (401, "TOKEN_REVOKED")


def test_a_changed_role_renews_kept_tokens(client: Client, admin: User) -> None:
    """The session goes on: the answer has new tokens, with the current role."""
    ada = client.register()
    first = _post(client, LOGIN, ada.id, _credentials(ada))
    client.put(f"/api/users/{ada.id}", token=admin.access_token, json={"role": "admin"})
    assert client.who(first.data["access_token"]).outcome == (401, "TOKEN_REVOKED")
    again = _post(client, LOGIN, ada.id, _credentials(ada))

    assert (again.status, again.data["role"]) == (200, "admin")
    assert client.who(again.data["access_token"]).status == 200
    assert len(client.get("/api/auth/sessions", token=again.data["access_token"]).data) == 1
    client.put(f"/api/users/{ada.id}", token=admin.access_token, json={"role": "user"})


def test_secrets_are_not_shown_again_past_their_end(client: Client) -> None:
    """Once a key is revoked, or a second factor off, the answer is refused; nothing is made twice."""
    ada = client.join(proven=True)
    body = {"name": "report", "scopes": ["read"]}
    made = _post(client, KEYS, "make", body, token=ada.access_token)
    assert _post(client, KEYS, "make", body, token=ada.access_token).data == made.data
    client.delete(f"{KEYS}/{made.data['id']}", token=ada.access_token)
    again = _post(client, KEYS, "make", body, token=ada.access_token)
    assert again.outcome == (409, "CONFLICT")
    assert made.data["key"] not in again.text
    assert client.get(KEYS, token=ada.access_token).data == []

    begun = _post(client, "/api/auth/mfa/totp", "begin", {}, token=ada.access_token)
    code = {"code": pyotp.TOTP(begun.data["secret"]).now()}
    confirm = "/api/auth/mfa/totp/confirm"
    assert _post(client, confirm, "confirm", code, token=ada.access_token).status == 200
    password = {"password": PASSWORD}
    assert client.call("DELETE", "/api/auth/mfa/totp", token=ada.access_token, json=password).status == 204
    for path, key, asked in (("/api/auth/mfa/totp", "begin", {}), (confirm, "confirm", code)):
        assert _post(client, path, key, asked, token=ada.access_token).outcome == (409, "CONFLICT")


def test_a_client_may_change_its_address(behind_proxy: Client, mailbox: Mailbox) -> None:
    """A phone that changes networks gets its answer."""
    key = new_email()
    registration = {"email": new_email(), "password": PASSWORD, "full_name": "Ada Lovelace"}
    first = _post(behind_proxy, "/api/auth/register", key, registration, headers=_from(HOME))
    again = _post(behind_proxy, "/api/auth/register", key, registration, headers=_from(TRAIN))
    assert (first.status, again.status, _replayed(again)) == (201, 201, True)
    assert first.data == again.data

    credentials = {"email": registration["email"], "password": PASSWORD}
    tokens = _post(behind_proxy, LOGIN, key + "2", credentials, headers=_from(HOME)).data
    assert _post(behind_proxy, LOGIN, key + "2", credentials, headers=_from(TRAIN)).data == tokens
    refresh = {"refresh_token": tokens["refresh_token"]}
    refreshed = [
        _post(behind_proxy, "/api/auth/refresh", key + "3", refresh, headers=_from(address)).data
        for address in (HOME, TRAIN)
    ]
    assert refreshed[0] == refreshed[1]
    assert behind_proxy.who(refreshed[1]["access_token"]).status == 200

    behind_proxy.post("/api/auth/password/forgot", json={"email": registration["email"]})
    reset = {"token": mailbox.reset_token(registration["email"]), "new_password": NEW_PASSWORD}
    for address in (HOME, TRAIN):
        answer = _post(behind_proxy, "/api/auth/password/reset", key + "4", reset, headers=_from(address))
        assert answer.status == 204


def test_a_guessed_key_reveals_nothing(behind_proxy: Client) -> None:
    """From another address and without the secret, the answer is the same as without a key."""
    ada = behind_proxy.register()
    key = new_email()
    tokens = _post(behind_proxy, LOGIN, key, _credentials(ada), headers=_from(HOME)).data
    guess = _post(behind_proxy, LOGIN, key, _credentials(ada, NEW_PASSWORD), headers=_from(TRAIN))
    assert guess.outcome == (401, "INVALID_CREDENTIALS")
    refresh = {"refresh_token": tokens["refresh_token"]}
    _post(behind_proxy, "/api/auth/refresh", key + "2", refresh, headers=_from(HOME))
    text = tokens["refresh_token"]
    forged = {"refresh_token": text[:-2] + ("AA" if text[-2:] != "AA" else "BA")}
    answer = _post(behind_proxy, "/api/auth/refresh", key + "2", forged, headers=_from(TRAIN))
    assert answer.outcome == (401, "TOKEN_INVALID")
    assert _replayed(_post(behind_proxy, LOGIN, key, _credentials(ada), headers=_from(HOME)))


def test_no_fast_hash_of_a_password_is_kept(client: Client, system: System) -> None:
    """With the database and the master key, each guess at a password costs an Argon2id hash."""
    ada = client.register()
    _post(client, LOGIN, ada.id, _credentials(ada))
    key = system.master_key.derived("first-answer-names")
    request = auth_service_pb2.LoginRequest(email=ada.email, password=PASSWORD)
    path = b"/vestibule.auth.v1.AuthService/Login\n"

    def digest(message: auth_service_pb2.LoginRequest) -> bytes:
        body = path + message.SerializeToString(deterministic=True)
        return hmac.digest(key, b"asked\n" + body, hashlib.sha256)

    rows = system.rows("SELECT name, shared_name, fingerprint, secret_hash FROM auth.attempts")
    kept = {value for row in rows for value in row[:3]}
    assert digest(auth_service_pb2.LoginRequest(email=ada.email)) in kept
    assert digest(request) not in kept
    assert all(row[3] is None or row[3].startswith("$argon2id$") for row in rows)

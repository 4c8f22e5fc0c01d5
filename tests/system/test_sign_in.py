"""Signing in, exchanging tokens, and signing out."""

import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from tests.system.client import PASSWORD, UUID7, Client, User, new_email


def test_tokens(client: Client) -> None:
    """Signing in returns the tokens, their lifetimes in seconds and the role."""
    user = client.register()
    answer = client.post("/api/auth/login", json={"email": user.email, "password": user.password})

    assert {
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "refresh_expires_in",
        "role",
    } == set(answer.data)
    assert tuple(
        answer.data[name] for name in ("token_type", "expires_in", "refresh_expires_in", "role")
    ) == ("bearer", 900, 7 * 86_400, "user")
    assert "no-store" in answer.headers["cache-control"]


def test_claims(client: Client, ada: User) -> None:
    """An access token is an ES256 JWT with the ten claims of the contract, for 15 minutes."""
    header = jwt.get_unverified_header(ada.access_token)
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})

    assert header["alg"] == "ES256"
    assert header["kid"] in {key["kid"] for key in client.get("/.well-known/jwks.json").body["keys"]}
    assert {"iss", "aud", "sub", "sid", "role", "iat", "exp", "jti", "auth_time", "amr"} == set(claims)
    assert (ada.id, "user", 900) == (claims["sub"], claims["role"], claims["exp"] - claims["iat"])
    assert all(UUID7.fullmatch(claims[name]) for name in ("sub", "sid", "jti"))
    assert abs(time.time() - claims["iat"]) < 60
    assert 0 <= claims["iat"] - claims["auth_time"] < 60
    assert claims["amr"] == ["pwd"]


def test_me_has_two_addresses(client: Client, ada: User) -> None:
    """`/api/auth/me` answers what `/api/users/me` answers."""
    assert client.who(ada.access_token).data == client.get("/api/auth/me", token=ada.access_token).data


def test_wrong_password(client: Client, ada: User) -> None:
    """A wrong password and an unknown address get the same answer."""
    wrong = client.post("/api/auth/login", json={"email": ada.email, "password": "wrong-guess-of-eve"})
    unknown = client.post("/api/auth/login", json={"email": new_email(), "password": "wrong-guess-of-eve"})

    assert (401, "INVALID_CREDENTIALS") == wrong.outcome == unknown.outcome
    assert wrong.body["error"] == unknown.body["error"]
    assert set(wrong.headers) == set(unknown.headers)


def test_last_login_is_noted(client: Client) -> None:
    """Signing in is recorded on the user, without a new version."""
    user = client.register()
    first = client.who(client.sign_in(user).access_token)
    second = client.who(client.sign_in(user).access_token)

    assert first.data["last_login_at"] < second.data["last_login_at"]
    assert first.data["updated_at"] == second.data["updated_at"]


def test_refresh(client: Client) -> None:
    """A refresh token returns a new pair, which works."""
    user = client.join()
    answer = client.post("/api/auth/refresh", json={"refresh_token": user.refresh_token})

    assert answer.outcome == (200, None)
    assert user.refresh_token != answer.data["refresh_token"]
    assert user.access_token != answer.data["access_token"]
    assert client.who(answer.data["access_token"]).status == 200
    claims = [
        jwt.decode(token, options={"verify_signature": False})
        for token in (user.access_token, answer.data["access_token"])
    ]
    assert claims[0]["sid"] == claims[1]["sid"]
    assert "no-store" in answer.headers["cache-control"]


def test_refresh_twice_at_once(client: Client) -> None:
    """Simultaneous refreshes get the same successor, and the session goes on."""
    user = client.join()

    def refresh() -> str:
        answer = client.post("/api/auth/refresh", json={"refresh_token": user.refresh_token})
        assert answer.outcome == (200, None)
        return str(answer.data["refresh_token"])

    with ThreadPoolExecutor(4) as tabs:
        successors = [tab.result() for tab in [tabs.submit(refresh) for _ in range(4)]]

    assert len(set(successors)) == 1
    again = client.post("/api/auth/refresh", json={"refresh_token": successors[0]})
    assert again.outcome == (200, None)


def test_spent_token_ends_the_session(client: Client) -> None:
    """Reuse of a token whose successor was used ends its session, and no other."""
    user = client.join()
    elsewhere = client.sign_in(user)
    token, newest = user.refresh_token, user.refresh_token
    for _ in range(2):
        answer = client.post("/api/auth/refresh", json={"refresh_token": newest})
        newest, access = answer.data["refresh_token"], answer.data["access_token"]
    reused = client.post("/api/auth/refresh", json={"refresh_token": token})

    assert reused.outcome == (401, "TOKEN_REVOKED")
    assert client.post("/api/auth/refresh", json={"refresh_token": newest}).outcome == (401, "TOKEN_REVOKED")
    assert client.who(access).outcome == (401, "TOKEN_REVOKED")
    assert client.who(elsewhere.access_token).status == 200


@pytest.mark.parametrize("token", ["x", "é", "A" * 200, "..", "AQ==", "-" * 79])
def test_refresh_with_nonsense(client: Client, token: str) -> None:
    """A made-up refresh token is invalid."""
    answer = client.post("/api/auth/refresh", json={"refresh_token": token})

    assert answer.outcome == (401, "TOKEN_INVALID")


def test_refresh_with_an_altered_token(client: Client) -> None:
    """A refresh token with one character changed is invalid, and its session goes on."""
    user = client.join()
    token = user.refresh_token
    for place in range(0, len(token) - 1, 7):
        altered = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        answer = client.post("/api/auth/refresh", json={"refresh_token": altered})

        assert answer.outcome == (401, "TOKEN_INVALID")
    assert client.post("/api/auth/refresh", json={"refresh_token": token}).status == 200


def test_access_token_does_not_refresh(client: Client, ada: User) -> None:
    """A token of one kind is not accepted as the other."""
    content = {"refresh_token": ada.access_token[:256]}

    assert client.post("/api/auth/refresh", json=content).outcome == (401, "TOKEN_INVALID")
    assert client.who(ada.refresh_token).outcome == (401, "TOKEN_INVALID")


def test_logout(client: Client) -> None:
    """Signing out ends both tokens of this session at once, and no other session."""
    user = client.join()
    elsewhere = client.sign_in(user)
    answer = client.post("/api/auth/logout", token=user.access_token)

    assert answer.status == 204
    assert client.who(user.access_token).outcome == (401, "TOKEN_REVOKED")
    refreshed = client.post("/api/auth/refresh", json={"refresh_token": user.refresh_token})
    assert refreshed.outcome == (401, "TOKEN_REVOKED")
    assert client.who(elsewhere.access_token).status == 200


def test_logout_all(client: Client) -> None:
    """Signing out everywhere ends every session; signing in again works at once."""
    user = client.join()
    elsewhere = client.sign_in(user)
    assert client.post("/api/auth/logout-all", token=user.access_token).status == 204

    for ended in (user, elsewhere):
        assert client.who(ended.access_token).outcome == (401, "TOKEN_REVOKED")
        refreshed = client.post("/api/auth/refresh", json={"refresh_token": ended.refresh_token})
        assert refreshed.outcome == (401, "TOKEN_REVOKED")
    assert client.who(client.sign_in(user).access_token).status == 200


def test_sessions(client: Client) -> None:
    """Users see their open sessions, the current one marked, and end another one by its id."""
    user = client.join()
    with Client(client.url, {"user-agent": "Phone/1.0"}) as phone:
        elsewhere = phone.sign_in(user)
    sessions = client.get("/api/auth/sessions", token=user.access_token).data

    assert len(sessions) == 2
    assert {"id", "created_at", "last_used_at", "ip", "user_agent", "current"} == set(sessions[0])
    current = {session["current"]: session for session in sessions}
    assert {True, False} == set(current)
    assert (current[False]["user_agent"], current[False]["ip"]) == ("Phone/1.0", "127.0.0.1")

    ended = client.delete(f"/api/auth/sessions/{current[False]['id']}", token=user.access_token)
    assert ended.status == 204
    assert client.who(elsewhere.access_token).outcome == (401, "TOKEN_REVOKED")
    assert client.who(user.access_token).status == 200
    assert [current[True]["id"]] == [
        session["id"] for session in client.get("/api/auth/sessions", token=user.access_token).data
    ]


def test_sessions_of_others(client: Client, ada: User) -> None:
    """Another user's session gets the same answer as an unknown one."""
    user = client.join()
    (session,) = client.get("/api/auth/sessions", token=user.access_token).data
    answer = client.delete(f"/api/auth/sessions/{session['id']}", token=ada.access_token)

    assert answer.outcome == (404, "NOT_FOUND")
    assert client.who(user.access_token).status == 200


def test_guessing_is_stopped(client: Client) -> None:
    """After five wrong passwords this client must wait for this account, known or not; others need not."""
    user = client.register()
    for email in (user.email, new_email()):
        guesses = [
            client.post("/api/auth/login", json={"email": email, "password": f"guess-number-{number}"})
            for number in range(6)
        ]

        assert [guess.outcome for guess in guesses[:5]] == [(401, "INVALID_CREDENTIALS")] * 5
        assert guesses[5].outcome == (429, "TOO_MANY_ATTEMPTS")
        assert 0 < int(guesses[5].headers["retry-after"]) <= 900
    right = client.post("/api/auth/login", json={"email": user.email, "password": user.password})
    assert right.outcome == (429, "TOO_MANY_ATTEMPTS")
    client.join()


def test_signing_in_resets_the_count(client: Client) -> None:
    """A user who mistypes now and then is never blocked."""
    user = client.register()
    for _ in range(2):
        for number in range(4):
            guess = {"email": user.email, "password": f"guess-number-{number}"}
            assert client.post("/api/auth/login", json=guess).outcome == (401, "INVALID_CREDENTIALS")
        client.sign_in(user)


def test_address_in_the_body_only(client: Client) -> None:
    """Credentials in a query are refused: they would appear in logs."""
    user = client.register()
    answer = client.post(f"/api/auth/login?email={user.email}&password={PASSWORD}", json={})

    assert answer.outcome == (422, "VALIDATION_ERROR")

"""What users may do with their own account."""

import pytest

from tests.system.client import PASSWORD, Client, User

NEW_PASSWORD = "copper-lantern-orbit-fern"


def test_change_of_name(client: Client) -> None:
    """A change is visible to the next read, and makes a new version."""
    user = client.join()
    before = client.who(user.access_token)
    answer = client.put("/api/users/me", token=user.access_token, json={"full_name": "Countess Lovelace"})

    assert answer.outcome == (200, None)
    assert answer.data["full_name"] == "Countess Lovelace"
    after = client.who(user.access_token)
    assert answer.data == after.data
    assert answer.headers["etag"] == after.headers["etag"] != before.headers["etag"]
    assert before.data["updated_at"] < after.data["updated_at"]


@pytest.mark.parametrize("field", ["role", "is_active", "id", "email_verified", "created_at", "password"])
def test_what_is_not_the_users_to_change(client: Client, ada: User, field: str) -> None:
    """Users cannot set their own role, verification or creation time."""
    answer = client.put("/api/users/me", token=ada.access_token, json={field: "admin"})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {field} == answer.fields


def test_version_conflict(client: Client) -> None:
    """A change for an old version is refused, one for the current version is made."""
    user = client.join()
    etag = client.who(user.access_token).headers["etag"]
    first, second, third = (
        client.put(
            "/api/users/me", token=user.access_token, json={"full_name": name}, headers={"If-Match": match}
        )
        for name, match in (("First", etag), ("Second", etag), ("Third", "*"))
    )

    assert first.outcome == (200, None)
    assert second.outcome == (412, "VERSION_CONFLICT")
    assert third.outcome == (200, None)
    assert client.who(user.access_token).data["full_name"] == "Third"


def test_signing_in_does_not_conflict(client: Client) -> None:
    """Signing in between reading and writing does not make a change stale."""
    user = client.join()
    etag = client.who(user.access_token).headers["etag"]
    client.sign_in(user)
    answer = client.put(
        "/api/users/me", token=user.access_token, json={"full_name": "Still"}, headers={"If-Match": etag}
    )

    assert answer.outcome == (200, None)


def test_not_modified(client: Client) -> None:
    """A client with the current version gets 304, and 200 after a change."""
    user = client.join()
    etag = client.who(user.access_token).headers["etag"]

    def read(match: str) -> int:
        return client.get("/api/users/me", token=user.access_token, headers={"If-None-Match": match}).status

    assert read(etag) == 304
    assert read(f'"other", {etag}') == 304
    assert read(f"W/{etag}") == 304
    assert read("*") == 304
    assert read('"other"') == 200
    client.put("/api/users/me", token=user.access_token, json={"full_name": "Another"})
    assert read(etag) == 200


def test_change_of_password(client: Client) -> None:
    """A new password works at once; this session stays, every other one ends."""
    user = client.join()
    elsewhere = client.sign_in(user)
    answer = client.put(
        "/api/users/me/password",
        token=user.access_token,
        json={"old_password": PASSWORD, "new_password": NEW_PASSWORD},
    )

    assert answer.status == 204
    assert client.who(user.access_token).status == 200
    assert client.who(elsewhere.access_token).outcome == (401, "TOKEN_REVOKED")
    assert client.post("/api/auth/refresh", json={"refresh_token": user.refresh_token}).status == 200
    refreshed = client.post("/api/auth/refresh", json={"refresh_token": elsewhere.refresh_token})
    assert refreshed.outcome == (401, "TOKEN_REVOKED")
    old = client.post("/api/auth/login", json={"email": user.email, "password": PASSWORD})
    assert old.outcome == (401, "INVALID_CREDENTIALS")
    client.sign_in(User(user.id, user.email, NEW_PASSWORD, ""))


@pytest.mark.parametrize(
    ("old", "new", "code", "field"),
    [
        ("wrong-guess-of-eve", NEW_PASSWORD, "VALIDATION_ERROR", "old_password"),
        (PASSWORD, "password", "WEAK_PASSWORD", "new_password"),
        (PASSWORD, "Ada-Lovelace", "WEAK_PASSWORD", "new_password"),
    ],
)
def test_refused_change_of_password(client: Client, old: str, new: str, code: str, field: str) -> None:
    """A wrong old password is reported on its field, a weak new one on the other; nothing changes."""
    user = client.join()
    elsewhere = client.sign_in(user)
    answer = client.put(
        "/api/users/me/password",
        token=user.access_token,
        json={"old_password": old, "new_password": new},
    )

    assert (422, code) == answer.outcome
    assert {field} == answer.fields
    assert client.who(elsewhere.access_token).status == 200
    client.sign_in(user)


def test_old_password_cannot_be_guessed(client: Client) -> None:
    """The old password cannot be guessed with a stolen session."""
    user = client.join()
    codes = [
        client.put(
            "/api/users/me/password",
            token=user.access_token,
            json={"old_password": f"guess-number-{number}", "new_password": NEW_PASSWORD},
        ).code
        for number in range(6)
    ]

    assert codes == ["VALIDATION_ERROR"] * 5 + ["TOO_MANY_ATTEMPTS"]


def test_deletion(client: Client) -> None:
    """Users who delete their account are gone: tokens, sign-in and data; the address can register again."""
    user = client.join()
    elsewhere = client.sign_in(user)
    answer = client.delete("/api/users/me", token=user.access_token, json={"password": PASSWORD})

    assert answer.status == 204
    for token in (user.access_token, elsewhere.access_token):
        assert client.who(token).outcome == (401, "TOKEN_REVOKED")
    refreshed = client.post("/api/auth/refresh", json={"refresh_token": user.refresh_token})
    assert refreshed.status == 401
    signed_in = client.post("/api/auth/login", json={"email": user.email, "password": PASSWORD})
    assert signed_in.outcome == (401, "INVALID_CREDENTIALS")
    again = client.join(email=user.email)
    assert user.id != again.id


@pytest.mark.parametrize("password", ["wrong-guess-of-eve", "x", "", None])
def test_deletion_asks_for_the_password(client: Client, ada: User, password: str | None) -> None:
    """Without the right password the account is not deleted."""
    body = {} if password is None else {"password": password}
    answer = client.delete("/api/users/me", token=ada.access_token, json=body)

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {"password"} == answer.fields
    assert client.who(ada.access_token).status == 200
    client.sign_in(ada)

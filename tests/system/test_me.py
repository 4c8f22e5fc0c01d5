"""What a person may do with the own account."""

import pytest

from tests.system.edge import PASSWORD, Edge, Person

NEW_PASSWORD = "copper-lantern-orbit-fern"


def test_change_of_name(edge: Edge) -> None:
    """A change is seen by the next read, and makes another version."""
    person = edge.join()
    before = edge.who(person.access_token)
    answer = edge.put("/api/users/me", token=person.access_token, json={"full_name": "Countess Lovelace"})

    assert answer.outcome == (200, None)
    assert answer.data["full_name"] == "Countess Lovelace"
    after = edge.who(person.access_token)
    assert answer.data == after.data
    assert answer.headers["etag"] == after.headers["etag"] != before.headers["etag"]
    assert before.data["updated_at"] < after.data["updated_at"]


@pytest.mark.parametrize("field", ["role", "is_active", "id", "email_verified", "created_at", "password"])
def test_what_is_not_the_persons_to_change(edge: Edge, ada: Person, field: str) -> None:
    """Nobody makes oneself an admin, verified or older."""
    answer = edge.put("/api/users/me", token=ada.access_token, json={field: "admin"})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {field} == answer.fields


def test_version_conflict(edge: Edge) -> None:
    """A change meant for a version that is gone is refused, and one for the present version is made."""
    person = edge.join()
    etag = edge.who(person.access_token).headers["etag"]
    first, second, third = (
        edge.put(
            "/api/users/me", token=person.access_token, json={"full_name": name}, headers={"If-Match": match}
        )
        for name, match in (("First", etag), ("Second", etag), ("Third", "*"))
    )

    assert first.outcome == (200, None)
    assert second.outcome == (412, "VERSION_CONFLICT")
    assert third.outcome == (200, None)
    assert edge.who(person.access_token).data["full_name"] == "Third"


def test_signing_in_does_not_conflict(edge: Edge) -> None:
    """Signing in elsewhere between reading and writing spoils no change."""
    person = edge.join()
    etag = edge.who(person.access_token).headers["etag"]
    edge.sign_in(person)
    answer = edge.put(
        "/api/users/me", token=person.access_token, json={"full_name": "Still"}, headers={"If-Match": etag}
    )

    assert answer.outcome == (200, None)


def test_not_modified(edge: Edge) -> None:
    """A reader who has the present version gets 304, and another after a change."""
    person = edge.join()
    etag = edge.who(person.access_token).headers["etag"]

    def read(match: str) -> int:
        return edge.get("/api/users/me", token=person.access_token, headers={"If-None-Match": match}).status

    assert read(etag) == 304
    assert read(f'"other", {etag}') == 304
    assert read(f"W/{etag}") == 304
    assert read("*") == 304
    assert read('"other"') == 200
    edge.put("/api/users/me", token=person.access_token, json={"full_name": "Another"})
    assert read(etag) == 200


def test_change_of_password(edge: Edge) -> None:
    """A new password counts at once; this session goes on and every other ends."""
    person = edge.join()
    elsewhere = edge.sign_in(person)
    answer = edge.put(
        "/api/users/me/password",
        token=person.access_token,
        json={"old_password": PASSWORD, "new_password": NEW_PASSWORD},
    )

    assert answer.status == 204
    assert edge.who(person.access_token).status == 200
    assert edge.who(elsewhere.access_token).outcome == (401, "TOKEN_REVOKED")
    assert edge.post("/api/auth/refresh", json={"refresh_token": person.refresh_token}).status == 200
    refreshed = edge.post("/api/auth/refresh", json={"refresh_token": elsewhere.refresh_token})
    assert refreshed.outcome == (401, "TOKEN_REVOKED")
    old = edge.post("/api/auth/login", json={"email": person.email, "password": PASSWORD})
    assert old.outcome == (401, "INVALID_CREDENTIALS")
    edge.sign_in(Person(person.id, person.email, NEW_PASSWORD, ""))


@pytest.mark.parametrize(
    ("old", "new", "code", "field"),
    [
        ("wrong-guess-of-eve", NEW_PASSWORD, "VALIDATION_ERROR", "old_password"),
        (PASSWORD, "password", "WEAK_PASSWORD", "new_password"),
        (PASSWORD, "Ada-Lovelace", "WEAK_PASSWORD", "new_password"),
    ],
)
def test_refused_change_of_password(edge: Edge, old: str, new: str, code: str, field: str) -> None:
    """A wrong old password is named on its field, a weak new one on the other; nothing changes."""
    person = edge.join()
    elsewhere = edge.sign_in(person)
    answer = edge.put(
        "/api/users/me/password",
        token=person.access_token,
        json={"old_password": old, "new_password": new},
    )

    assert (422, code) == answer.outcome
    assert {field} == answer.fields
    assert edge.who(elsewhere.access_token).status == 200
    edge.sign_in(person)


def test_old_password_cannot_be_guessed(edge: Edge) -> None:
    """Somebody at an unlocked screen does not get to guess the password for ever."""
    person = edge.join()
    codes = [
        edge.put(
            "/api/users/me/password",
            token=person.access_token,
            json={"old_password": f"guess-number-{number}", "new_password": NEW_PASSWORD},
        ).code
        for number in range(6)
    ]

    assert codes == ["VALIDATION_ERROR"] * 5 + ["TOO_MANY_ATTEMPTS"]


def test_deletion(edge: Edge) -> None:
    """A person who leaves is gone: tokens, sign-in and data; the address can register again."""
    person = edge.join()
    elsewhere = edge.sign_in(person)
    answer = edge.delete("/api/users/me", token=person.access_token, json={"password": PASSWORD})

    assert answer.status == 204
    for token in (person.access_token, elsewhere.access_token):
        assert edge.who(token).outcome == (401, "TOKEN_REVOKED")
    refreshed = edge.post("/api/auth/refresh", json={"refresh_token": person.refresh_token})
    assert refreshed.status == 401
    signed_in = edge.post("/api/auth/login", json={"email": person.email, "password": PASSWORD})
    assert signed_in.outcome == (401, "INVALID_CREDENTIALS")
    again = edge.join(email=person.email)
    assert person.id != again.id


@pytest.mark.parametrize("password", ["wrong-guess-of-eve", "x", "", None])
def test_deletion_asks_for_the_password(edge: Edge, ada: Person, password: str | None) -> None:
    """Without the right password nobody is deleted."""
    body = {} if password is None else {"password": password}
    answer = edge.delete("/api/users/me", token=ada.access_token, json=body)

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert {"password"} == answer.fields
    assert edge.who(ada.access_token).status == 200
    edge.sign_in(ada)

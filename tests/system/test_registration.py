"""Registering: with which password, and that one address is one user."""

import pytest

from tests.system.client import PASSWORD, UUID7, Client, User, new_email


def test_register(client: Client) -> None:
    """Registering answers 201 with the user, who can sign in at once."""
    email = new_email()
    answer = client.post(
        "/api/auth/register", json={"email": email, "password": PASSWORD, "full_name": "Grace Hopper"}
    )

    assert answer.outcome == (201, None)
    assert UUID7.fullmatch(answer.data["id"])
    assert (email, "Grace Hopper", "user", True, False, None) == tuple(
        answer.data[name]
        for name in ("email", "full_name", "role", "is_active", "email_verified", "last_login_at")
    )
    assert PASSWORD not in answer.text
    signed_in = client.sign_in(User(answer.data["id"], email, PASSWORD, "Grace Hopper"))
    assert answer.data["id"] == client.who(signed_in.access_token).data["id"]


def test_address_is_kept_as_typed(client: Client) -> None:
    """An address is shown as it was entered and compared by its canonical form."""
    local = new_email().removesuffix("@example.com")
    user = client.register(email=f"{local.upper()}@Example.com")
    signed_in = client.sign_in(User(user.id, f"{local}@example.com", PASSWORD, ""))

    assert user.email == client.who(signed_in.access_token).data["email"]


@pytest.mark.parametrize(
    "other",
    [str.upper, str.title, lambda email: email.replace("person", "\uff30\uff25\uff32\uff33\uff2f\uff2e")],
)
def test_address_is_taken_in_any_form(client: Client, other: object) -> None:
    """One canonical address is one user: case and width do not make another."""
    assert callable(other)
    email = new_email()
    client.register(email=email)
    answer = client.post(
        "/api/auth/register", json={"email": other(email), "password": PASSWORD, "full_name": "Eve"}
    )

    assert answer.outcome in {(409, "EMAIL_TAKEN"), (422, "VALIDATION_ERROR")}
    if other(email).isascii():
        assert answer.outcome == (409, "EMAIL_TAKEN")


def test_name_may_be_of_any_script(client: Client) -> None:
    """Names are text of any script, stored unchanged."""
    for name in ("Ὑπατία", "王貞儀", "O'Neil-Šćepanović", "🦉 Athena", "x" * 255):
        user = client.register(full_name=name)
        found = client.who(client.sign_in(user).access_token)

        assert name == found.data["full_name"]


@pytest.mark.parametrize(
    "password", ["short7!", "passw0rd1", "12345678", "qwertyuiop", "aaaaaaaaaaaa", "Password1!", "iloveyou1"]
)
def test_weak_password(client: Client, password: str) -> None:
    """A password that is guessed soon is refused, with the reason on its field."""
    answer = client.post(
        "/api/auth/register", json={"email": new_email(), "password": password, "full_name": "Ada"}
    )

    assert answer.outcome == (422, "WEAK_PASSWORD")
    assert {"password"} == answer.fields
    assert password not in answer.text


@pytest.mark.parametrize(
    "password", ["augusta-byron-king", "Augusta-Byron-King9", "augusta.byron.king@example.com"]
)
def test_password_made_of_the_user(client: Client, password: str) -> None:
    """A password that is, or is built around, the address or the name is weak."""
    answer = client.post(
        "/api/auth/register",
        json={
            "email": "augusta.byron.king@example.com",
            "password": password,
            "full_name": "Augusta Byron King",
        },
    )

    assert answer.outcome == (422, "WEAK_PASSWORD")
    assert {"password"} == answer.fields


@pytest.mark.parametrize(
    "password",
    [
        "горный-ветер-семь-яблок",
        "海辺の静かな図書館で会う",
        "x7$ \tQ!v-ß9",
        "🦉🌊🪴🎻🧭🗝️🪁🥁",
        "copper lantern violet mast " * 4 + "under twenty bridges",
    ],
)
def test_password_of_any_script(client: Client, password: str) -> None:
    """A password may be of any script and 128 characters long, spaces and symbols included."""
    assert len(password) in {*range(8, 32), 128}
    email = new_email()
    registered = client.post(
        "/api/auth/register", json={"email": email, "password": password, "full_name": "Ada"}
    )
    assert registered.outcome == (201, None)
    signed_in = client.post("/api/auth/login", json={"email": email, "password": password})

    assert signed_in.outcome == (200, None)


def test_second_registration_of_a_user(client: Client, ada: User) -> None:
    """Registering again with the right password makes no second account and no session."""
    answer = client.post(
        "/api/auth/register",
        json={"email": ada.email, "password": ada.password, "full_name": ada.full_name},
    )

    assert answer.outcome == (409, "EMAIL_TAKEN")

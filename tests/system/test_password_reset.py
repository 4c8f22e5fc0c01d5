"""Resetting a forgotten password by mail: for whom, once, in time, and what it ends."""

import pytest

from tests.system.client import PASSWORD, Client, User, new_email
from tests.system.mailbox import Mailbox
from tests.system.running_system import System

NEW = "copper-lantern-violet-mast"


def _forget(client: Client, email: str) -> None:
    answer = client.post("/api/auth/password/forgot", json={"email": email})
    assert answer.outcome == (202, None), answer.text
    assert answer.data in (None, {})


def _reset(client: Client, token: str, password: str = NEW) -> tuple[int, str | None]:
    return client.post("/api/auth/password/reset", json={"token": token, "new_password": password}).outcome


def _signs_in(client: Client, email: str, password: str) -> bool:
    return client.post("/api/auth/login", json={"email": email, "password": password}).status == 200


def test_reset(client: Client, mailbox: Mailbox) -> None:
    """The mailed token sets a new password, ends every session, and works once."""
    ada = client.join()
    _forget(client, ada.email)
    token = mailbox.reset_token(ada.email)

    assert _reset(client, token) == (204, None)

    assert client.who(ada.access_token).outcome == (401, "TOKEN_REVOKED")
    refreshed = client.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token})
    assert refreshed.outcome == (401, "TOKEN_REVOKED")
    assert not _signs_in(client, ada.email, PASSWORD)
    assert _signs_in(client, ada.email, NEW)
    assert _reset(client, token, "another-marble-stone-22") == (401, "TOKEN_INVALID")
    assert _signs_in(client, ada.email, NEW)


def test_the_address_is_found_in_any_form_and_mailed_as_stored(client: Client, mailbox: Mailbox) -> None:
    """An address that only looks the same gets no mail."""
    ada = client.register()
    _forget(client, ada.email.upper())

    assert mailbox.reset_token(ada.email)
    assert not mailbox.mails(ada.email.upper())


def test_nobodys_address_is_answered_alike(client: Client, mailbox: Mailbox) -> None:
    """The status and the body are the same, and no mail is sent."""
    stranger, ada = new_email(), client.register()
    answers = [
        client.post("/api/auth/password/forgot", json={"email": email}) for email in (stranger, ada.email)
    ]

    assert [answer.outcome for answer in answers] == [(202, None)] * 2
    assert answers[0].data == answers[1].data
    mailbox.reset_token(ada.email)
    assert not mailbox.mails(stranger)


def test_a_newer_token_replaces_the_older(client: Client, mailbox: Mailbox) -> None:
    """Only the newest mail counts."""
    ada = client.register()
    _forget(client, ada.email)
    older = mailbox.reset_token(ada.email)
    _forget(client, ada.email)
    newer = mailbox.reset_token(ada.email, count=2)

    assert older != newer
    assert _reset(client, older) == (401, "TOKEN_INVALID")
    assert _reset(client, newer) == (204, None)


@pytest.mark.parametrize("change", ["password", "email"])
def test_a_change_makes_the_token_useless(client: Client, mailbox: Mailbox, change: str) -> None:
    """A token that was mailed before the account was taken back, or moved, is invalid."""
    ada = client.join()
    _forget(client, ada.email)
    token = mailbox.reset_token(ada.email)
    if change == "password":
        body = {"old_password": PASSWORD, "new_password": "quiet-orchard-tin-whistle"}
        assert client.put("/api/users/me/password", token=ada.access_token, json=body).status == 204
    else:
        client.change_email(ada, new_email(), mailbox)

    assert _reset(client, token) == (401, "TOKEN_INVALID")
    assert client.who(ada.access_token).status == 200


def test_a_weak_password_leaves_the_token(client: Client, mailbox: Mailbox) -> None:
    """The reason is on its field, and a stronger password is accepted."""
    ada = client.register(full_name="Augusta Byron King")
    _forget(client, ada.email)
    token = mailbox.reset_token(ada.email)
    for weak in ("short", "password1", "augusta-byron-king"):
        answer = client.post("/api/auth/password/reset", json={"token": token, "new_password": weak})
        assert answer.outcome == (422, "WEAK_PASSWORD")
        assert answer.fields == {"new_password"}

    assert _reset(client, token) == (204, None)


def test_an_expired_token(client: Client, system: System, mailbox: Mailbox) -> None:
    """An hour after it was sent it is refused as expired."""
    ada = client.register()
    _forget(client, ada.email)
    token = mailbox.reset_token(ada.email)
    system.change(
        "UPDATE auth.mailed_tokens SET expires_at = expires_at - interval '1 hour'"
        " WHERE user_id = $1 AND kind = 'password_reset'",
        ada.id,
    )

    assert _reset(client, token) == (401, "TOKEN_EXPIRED")
    assert _signs_in(client, ada.email, PASSWORD)


def test_tokens_are_kept_as_hashes(client: Client, system: System, mailbox: Mailbox) -> None:
    """256 bits, of which Postgres stores the SHA-256 for an hour."""
    ada = client.register()
    _forget(client, ada.email)
    token = mailbox.reset_token(ada.email)

    assert len(token) == 43
    ((digest_is_it, seconds),) = system.rows(
        "SELECT digest = sha256($2::bytea), extract(epoch FROM expires_at - now())::float"
        " FROM auth.mailed_tokens WHERE user_id = $1 AND kind = 'password_reset'",
        ada.id,
        token.encode(),
    )
    assert digest_is_it
    assert 3500 < seconds <= 3600


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 256, "🗝", "\u0430" * 43])
def test_a_wrong_token(client: Client, token: str) -> None:
    """The answer does not say why."""
    assert _reset(client, token) == (401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("forgot", {}, "email"),
        ("forgot", {"email": "nonsense"}, "email"),
        ("reset", {"new_password": NEW}, "token"),
        ("reset", {"token": "", "new_password": NEW}, "token"),
        ("reset", {"token": "A" * 43}, "new_password"),
        ("reset", {"token": "A" * 257, "new_password": NEW}, "token"),
    ],
)
def test_bad_bodies(client: Client, path: str, body: dict[str, str], field: str) -> None:
    """Each field is named."""
    answer = client.post(f"/api/auth/password/{path}", json=body)

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert answer.fields == {field}


def test_a_verification_token_is_no_reset_token(client: Client, mailbox: Mailbox) -> None:
    """Each kind of token has one purpose."""
    ada = client.register()
    token = mailbox.verification_token(ada.email)
    assert _reset(client, token) == (401, "TOKEN_INVALID")

    assert client.post("/api/auth/email/verify", json={"token": token}).status == 204


def test_deactivated_users_get_no_mail(client: Client, admin: User, mailbox: Mailbox) -> None:
    """Nor does a token that they already have work."""
    ada = client.register()
    _forget(client, ada.email)
    token = mailbox.reset_token(ada.email)
    client.put(f"/api/users/{ada.id}", token=admin.access_token, json={"is_active": False})

    assert _reset(client, token) == (401, "TOKEN_INVALID")


def test_a_reset_lets_who_guessed_too_often_in(client: Client, mailbox: Mailbox) -> None:
    """The reset has proven who they are."""
    ada = client.register()
    for _ in range(5):
        client.post("/api/auth/login", json={"email": ada.email, "password": "wrong"})
    blocked = client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD})
    assert blocked.outcome == (429, "TOO_MANY_ATTEMPTS")
    _forget(client, ada.email)

    assert _reset(client, mailbox.reset_token(ada.email)) == (204, None)
    assert _signs_in(client, ada.email, NEW)


def test_it_is_audited(client: Client, admin: User, mailbox: Mailbox) -> None:
    """Request and reset; a token of no user is counted and not audited."""
    ada = client.register()
    _forget(client, ada.email)
    token = mailbox.reset_token(ada.email)
    _reset(client, token)
    _reset(client, token)
    found = client.get("/api/admin/audit-events", token=admin.access_token, params={"subject_id": ada.id})

    recorded = [(entry["action"], entry["outcome"]) for entry in found.data]
    assert ("auth.password_forgot", "success") in recorded
    assert ("auth.password_reset", "success") in recorded
    latest = client.get(
        "/api/admin/audit-events", token=admin.access_token, params={"action": "auth.password_reset"}
    )
    assert (latest.data[0]["outcome"], latest.data[0]["subject_id"] or latest.data[0]["actor_id"]) == (
        "success",
        ada.id,
    )

"""Getting a new password by mail: who may, once, in time, and what it ends."""

import pytest

from tests.system.edge import PASSWORD, Edge, Person, new_email
from tests.system.house import House
from tests.system.mailbox import Mailbox

NEW = "copper-lantern-violet-mast"


def _forget(edge: Edge, email: str) -> None:
    answer = edge.post("/api/auth/password/forgot", json={"email": email})
    assert answer.outcome == (202, None), answer.text
    assert answer.data in (None, {})


def _reset(edge: Edge, token: str, password: str = NEW) -> tuple[int, str | None]:
    return edge.post("/api/auth/password/reset", json={"token": token, "new_password": password}).outcome


def _signs_in(edge: Edge, email: str, password: str) -> bool:
    return edge.post("/api/auth/login", json={"email": email, "password": password}).status == 200


def test_reset(edge: Edge, mailbox: Mailbox) -> None:
    """The mailed token gives a new password, ends every session, and works once."""
    ada = edge.join()
    _forget(edge, ada.email)
    token = mailbox.reset_token(ada.email)

    assert _reset(edge, token) == (204, None)

    assert edge.who(ada.access_token).outcome == (401, "TOKEN_REVOKED")
    refreshed = edge.post("/api/auth/refresh", json={"refresh_token": ada.refresh_token})
    assert refreshed.outcome == (401, "TOKEN_REVOKED")
    assert not _signs_in(edge, ada.email, PASSWORD)
    assert _signs_in(edge, ada.email, NEW)
    assert _reset(edge, token, "another-marble-stone-22") == (401, "TOKEN_INVALID")
    assert _signs_in(edge, ada.email, NEW)


def test_the_address_is_found_in_any_form_and_mailed_as_stored(edge: Edge, mailbox: Mailbox) -> None:
    """An address that merely looks the same gets nothing."""
    ada = edge.register()
    _forget(edge, ada.email.upper())

    assert mailbox.reset_token(ada.email)
    assert not mailbox.mails(ada.email.upper())


def test_nobodys_address_is_answered_alike(edge: Edge, mailbox: Mailbox) -> None:
    """The same status and body; and no mail goes out."""
    stranger, ada = new_email(), edge.register()
    answers = [
        edge.post("/api/auth/password/forgot", json={"email": email}) for email in (stranger, ada.email)
    ]

    assert [answer.outcome for answer in answers] == [(202, None)] * 2
    assert answers[0].data == answers[1].data
    mailbox.reset_token(ada.email)
    assert not mailbox.mails(stranger)


def test_a_newer_token_replaces_the_older(edge: Edge, mailbox: Mailbox) -> None:
    """Only the newest mail counts."""
    ada = edge.register()
    _forget(edge, ada.email)
    older = mailbox.reset_token(ada.email)
    _forget(edge, ada.email)
    newer = mailbox.reset_token(ada.email, count=2)

    assert older != newer
    assert _reset(edge, older) == (401, "TOKEN_INVALID")
    assert _reset(edge, newer) == (204, None)


@pytest.mark.parametrize("change", ["password", "email"])
def test_a_change_makes_the_token_useless(edge: Edge, mailbox: Mailbox, change: str) -> None:
    """What was mailed before somebody took the account back, or moved it, is no good."""
    ada = edge.join()
    _forget(edge, ada.email)
    token = mailbox.reset_token(ada.email)
    if change == "password":
        body = {"old_password": PASSWORD, "new_password": "quiet-orchard-tin-whistle"}
        assert edge.put("/api/users/me/password", token=ada.access_token, json=body).status == 204
    else:
        edge.change_email(ada, new_email(), mailbox)

    assert _reset(edge, token) == (401, "TOKEN_INVALID")
    assert edge.who(ada.access_token).status == 200


def test_a_weak_password_leaves_the_token(edge: Edge, mailbox: Mailbox) -> None:
    """The reason is on its field, and a better one is taken."""
    ada = edge.register(full_name="Augusta Byron King")
    _forget(edge, ada.email)
    token = mailbox.reset_token(ada.email)
    for weak in ("short", "password1", "augusta-byron-king"):
        answer = edge.post("/api/auth/password/reset", json={"token": token, "new_password": weak})
        assert answer.outcome == (422, "WEAK_PASSWORD")
        assert answer.fields == {"new_password"}

    assert _reset(edge, token) == (204, None)


def test_an_expired_token(edge: Edge, house: House, mailbox: Mailbox) -> None:
    """After an hour it is refused as such."""
    ada = edge.register()
    _forget(edge, ada.email)
    token = mailbox.reset_token(ada.email)
    house.change(
        "UPDATE auth.mailed_tokens SET expires_at = expires_at - interval '1 hour'"
        " WHERE user_id = $1 AND kind = 'password_reset'",
        ada.id,
    )

    assert _reset(edge, token) == (401, "TOKEN_EXPIRED")
    assert _signs_in(edge, ada.email, PASSWORD)


def test_tokens_are_kept_as_hashes(edge: Edge, house: House, mailbox: Mailbox) -> None:
    """256 bits, of which Postgres holds the SHA-256 for an hour."""
    ada = edge.register()
    _forget(edge, ada.email)
    token = mailbox.reset_token(ada.email)

    assert len(token) == 43
    ((digest_is_it, seconds),) = house.rows(
        "SELECT digest = sha256($2::bytea), extract(epoch FROM expires_at - now())::float"
        " FROM auth.mailed_tokens WHERE user_id = $1 AND kind = 'password_reset'",
        ada.id,
        token.encode(),
    )
    assert digest_is_it
    assert 3500 < seconds <= 3600


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 256, "🗝", "\u0430" * 43])
def test_a_wrong_token(edge: Edge, token: str) -> None:
    """Nothing is told of why."""
    assert _reset(edge, token) == (401, "TOKEN_INVALID")


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
def test_bad_bodies(edge: Edge, path: str, body: dict[str, str], field: str) -> None:
    """Each field is named."""
    answer = edge.post(f"/api/auth/password/{path}", json=body)

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert answer.fields == {field}


def test_a_verification_token_is_no_reset_token(edge: Edge, mailbox: Mailbox) -> None:
    """Each kind has its one purpose."""
    ada = edge.register()
    token = mailbox.verification_token(ada.email)
    assert _reset(edge, token) == (401, "TOKEN_INVALID")

    assert edge.post("/api/auth/email/verify", json={"token": token}).status == 204


def test_deactivated_people_get_no_mail(edge: Edge, admin: Person, mailbox: Mailbox) -> None:
    """And a token they have is no good."""
    ada = edge.register()
    _forget(edge, ada.email)
    token = mailbox.reset_token(ada.email)
    edge.put(f"/api/users/{ada.id}", token=admin.access_token, json={"is_active": False})

    assert _reset(edge, token) == (401, "TOKEN_INVALID")


def test_a_reset_lets_who_guessed_too_often_in(edge: Edge, mailbox: Mailbox) -> None:
    """They had forgotten it, and have shown who they are."""
    ada = edge.register()
    for _ in range(5):
        edge.post("/api/auth/login", json={"email": ada.email, "password": "wrong"})
    blocked = edge.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD})
    assert blocked.outcome == (429, "TOO_MANY_ATTEMPTS")
    _forget(edge, ada.email)

    assert _reset(edge, mailbox.reset_token(ada.email)) == (204, None)
    assert _signs_in(edge, ada.email, NEW)


def test_it_is_audited(edge: Edge, admin: Person, mailbox: Mailbox) -> None:
    """Asking and the reset; a token that is of nobody any more is counted, not written down."""
    ada = edge.register()
    _forget(edge, ada.email)
    token = mailbox.reset_token(ada.email)
    _reset(edge, token)
    _reset(edge, token)
    found = edge.get("/api/admin/audit-events", token=admin.access_token, params={"subject_id": ada.id})

    told = [(entry["action"], entry["outcome"]) for entry in found.data]
    assert ("auth.password_forgot", "success") in told
    assert ("auth.password_reset", "success") in told
    latest = edge.get(
        "/api/admin/audit-events", token=admin.access_token, params={"action": "auth.password_reset"}
    )
    assert (latest.data[0]["outcome"], latest.data[0]["subject_id"] or latest.data[0]["actor_id"]) == (
        "success",
        ada.id,
    )

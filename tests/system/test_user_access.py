"""What admins do with the access of others: inviting, ending sessions, removing a second factor."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyotp

from tests.system.client import PASSWORD, Answer, Client, User, new_email
from tests.system.machines import made
from tests.system.mailbox import Mailbox, token_in
from tests.system.running_system import System
from tests.waiting import wait_for

NEW = "copper-lantern-orbit-fern"
UNKNOWN_ID = "0192f1c4-0000-7000-8000-000000000000"


def _invite(client: Client, token: str, **different: Any) -> Answer:
    body = {"email": new_email(), "full_name": "Bob Invited", "role": "user"} | different
    return client.post("/api/users", token=token, json=body)


def _login(client: Client, email: str, password: str) -> Answer:
    return client.post("/api/auth/login", json={"email": email, "password": password})


def _audited(system: System, user_id: str) -> list[tuple[str, str | None]]:
    rows = system.rows(
        "SELECT action, actor_id::text FROM auth.audit_events WHERE subject_id = $1 ORDER BY sequence",
        user_id,
    )
    return [(action, actor) for action, actor in rows]


def test_an_invitation(client: Client, admin: User, mailbox: Mailbox, system: System) -> None:
    """The user exists at once, and signs in after choosing a password by the link."""
    email = new_email()
    answer = _invite(client, admin.access_token, email=email, role="admin")
    assert answer.outcome == (201, None)
    assert (answer.data["email"], answer.data["role"], answer.data["is_active"]) == (email, "admin", True)
    assert answer.data["email_verified"] is False
    assert answer.headers["etag"]
    assert _login(client, email, PASSWORD).outcome == (401, "INVALID_CREDENTIALS")

    mail = mailbox.wait(email, "choose a password")
    assert "within 7 days" in str(mail.get_body(("plain",)))
    body = {"token": token_in(mail), "new_password": NEW}
    assert client.post("/api/auth/password/reset", json=body).outcome == (204, None)
    signed_in = _login(client, email, NEW)

    assert (signed_in.status, signed_in.data["role"]) == (200, "admin")
    wait_for(lambda: client.who(signed_in.data["access_token"]).data["email_verified"])
    assert ("auth.user_invited", admin.id) in _audited(system, answer.data["id"])
    assert client.post("/api/auth/password/reset", json=body).code == "TOKEN_INVALID"


def test_bad_invitations(client: Client, admin: User) -> None:
    """Taken addresses, in any spelling, and wrong fields: no user is made."""
    ada = client.register()
    token = admin.access_token
    assert _invite(client, token, email=ada.email.upper()).outcome == (409, "EMAIL_TAKEN")
    for field, value in {"email": "no address", "full_name": " ", "role": "root"}.items():
        answer = _invite(client, token, **{field: value})
        assert (answer.status, answer.fields) == (422, {field})
    missing = client.post("/api/users", token=token, json={"email": new_email(), "full_name": "Bob"})
    assert (missing.status, missing.fields) == (422, {"role"})


def test_two_invitations_at_once(client: Client, admin: User) -> None:
    """One user is made; the other calls get an error or the same user."""
    email = new_email()
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: _invite(client, admin.access_token, email=email), range(4)))
    made_ids = {answer.data["id"] for answer in answers if answer.status == 201}

    assert len(made_ids) == 1
    assert {answer.outcome for answer in answers} <= {(201, None), (409, "EMAIL_TAKEN")}


def test_who_may(client: Client, admin: User) -> None:
    """Admins, by a session; a key may only sign users out, with the scopes for it."""
    ada = client.join(proven=True)
    one, all_sessions = f"/api/users/{ada.id}", "/api/admin/sessions/end-all"

    def answers(token: str | None) -> list[tuple[int, str | None]]:
        calls = [
            client.post("/api/users", token=token, json={}),
            client.get(f"{one}/sessions", token=token),
            client.delete(f"{one}/sessions", token=token),
            client.delete(f"{one}/mfa", token=token),
            client.post(all_sessions, token=token),
        ]
        return [answer.outcome for answer in calls]

    assert set(answers(None)) == {(401, "UNAUTHENTICATED")}
    assert set(answers(ada.access_token)) == {(403, "FORBIDDEN")}
    assert set(answers(made(client, ada, "read", "write")["key"])) == {(403, "FORBIDDEN")}
    assert set(answers(made(client, admin, "read", "write")["key"])) == {(403, "FORBIDDEN")}
    assert set(answers(made(client, admin, "read", "admin")["key"])) == {(403, "FORBIDDEN")}
    assert client.who(ada.access_token).status == 200

    allowed = answers(made(client, admin, "read", "write", "admin")["key"])
    assert allowed == [
        (403, "FORBIDDEN"),
        (403, "FORBIDDEN"),
        (204, None),
        (403, "FORBIDDEN"),
        (403, "FORBIDDEN"),
    ]
    assert client.who(ada.access_token).outcome == (401, "TOKEN_REVOKED")


def test_anothers_sessions(
    client: Client, admin: User, other: Client, mailbox: Mailbox, system: System
) -> None:
    """Listed in pages; ended at every gateway; API keys stay valid; notified and audited."""
    ada = client.join(proven=True)
    key = made(client, ada)["key"]
    again = client.sign_in(ada)
    path = f"/api/users/{ada.id}/sessions"
    page = client.get(path, token=admin.access_token, params={"page_size": 1})
    assert (page.status, len(page.data), page.pagination["total_items"]) == (200, 1, 2)
    assert page.data[0]["current"] is False
    assert page.pagination["has_next"] is True
    assert client.get(path, token=admin.access_token, params={"page": 3}).data == []
    assert other.who(again.access_token).status == 200

    assert client.delete(path, token=admin.access_token).outcome == (204, None)

    assert client.who(ada.access_token).outcome == (401, "TOKEN_REVOKED")
    wait_for(lambda: other.who(again.access_token).outcome == (401, "TOKEN_REVOKED"))
    refused = client.post("/api/auth/refresh", json={"refresh_token": again.refresh_token})
    assert refused.code == "TOKEN_REVOKED"
    assert client.who(key).status == 200
    assert client.get(path, token=admin.access_token).data == []
    assert mailbox.wait(ada.email, "You were signed out everywhere")
    recorded = _audited(system, ada.id)
    assert ("auth.user_sessions_read", admin.id) in recorded
    assert ("auth.user_sessions_ended", admin.id) in recorded


def test_anothers_second_factor(client: Client, admin: User, mailbox: Mailbox, system: System) -> None:
    """A user who lost it signs in with the password again."""
    ada = client.join(proven=True)
    secret = client.post("/api/auth/mfa/totp", token=ada.access_token).data["secret"]
    code = {"code": pyotp.TOTP(secret).now()}
    assert client.post("/api/auth/mfa/totp/confirm", token=ada.access_token, json=code).status == 200
    assert _login(client, ada.email, PASSWORD).data["mfa_required"] is True
    path = f"/api/users/{ada.id}/mfa"

    assert client.delete(path, token=admin.access_token).outcome == (204, None)

    assert client.sign_in(ada).access_token
    assert client.delete(path, token=admin.access_token).outcome == (404, "NOT_FOUND")
    assert mailbox.wait(ada.email, "Your second factor was removed")
    assert ("auth.user_mfa_removed", admin.id) in _audited(system, ada.id)


def test_unknown_users_and_oneself(client: Client, admin: User) -> None:
    """Unknown ids are 404; admins remove their own second factor only with the password."""
    token = admin.access_token
    unknown = [
        client.get(f"/api/users/{UNKNOWN_ID}/sessions", token=token),
        client.delete(f"/api/users/{UNKNOWN_ID}/sessions", token=token),
        client.delete(f"/api/users/{UNKNOWN_ID}/mfa", token=token),
    ]
    assert {answer.outcome for answer in unknown} == {(404, "NOT_FOUND")}
    assert client.delete(f"/api/users/{admin.id}/mfa", token=token).outcome == (403, "FORBIDDEN")
    own = client.get(f"/api/users/{admin.id}/sessions", token=token)
    assert [session["current"] for session in own.data].count(True) == 1


def test_the_sessions_of_all_users(client: Client, admin: User, other: Client, system: System) -> None:
    """All end at every gateway, except the one that asks; API keys stay valid and users sign in again."""
    users = [client.join(proven=True) for _ in range(3)]
    key = made(client, users[0])["key"]
    mine = client.sign_in(admin)
    for user in users:
        assert other.who(user.access_token).status == 200

    assert client.post("/api/admin/sessions/end-all", token=mine.access_token).outcome == (204, None)

    wait_for(lambda: other.who(users[2].access_token).status == 401)
    for user in (*users, admin):
        for gateway in (client, other):
            assert gateway.who(user.access_token).outcome == (401, "TOKEN_REVOKED")
        refused = client.post("/api/auth/refresh", json={"refresh_token": user.refresh_token})
        assert refused.code == "TOKEN_REVOKED"
    for gateway in (client, other):
        assert gateway.who(mine.access_token).status == 200
        assert gateway.who(key).status == 200
    refreshed = client.post("/api/auth/refresh", json={"refresh_token": mine.refresh_token})
    assert other.who(refreshed.data["access_token"]).status == 200
    assert other.who(client.sign_in(users[0]).access_token).status == 200
    with system.gateway() as url, Client(url) as late:
        assert late.who(users[1].access_token).outcome == (401, "TOKEN_REVOKED")
        assert late.who(mine.access_token).status == 200
    assert system.rows("SELECT FROM auth.revocations_of_all WHERE NOT sessions_ended") == []

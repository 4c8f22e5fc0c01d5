"""What admins do about the accounts of others: inviting, ending sessions, removing a second factor."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyotp
import pytest

from tests.system.edge import PASSWORD, Answer, Edge, Person, new_email
from tests.system.house import House
from tests.system.machines import made
from tests.system.mailbox import Mailbox, token_in

NEW = "copper-lantern-orbit-fern"
NOBODY = "0192f1c4-0000-7000-8000-000000000000"


@pytest.fixture(name="other")
def _other(house: House) -> Iterator[Edge]:
    """Another gateway of the same house."""
    with house.gateway() as url, Edge(url) as edge:
        yield edge


def _invite(edge: Edge, token: str, **different: Any) -> Answer:
    body = {"email": new_email(), "full_name": "Bob Invited", "role": "user"} | different
    return edge.post("/api/users", token=token, json=body)


def _login(edge: Edge, email: str, password: str) -> Answer:
    return edge.post("/api/auth/login", json={"email": email, "password": password})


def _audited(house: House, user_id: str) -> list[tuple[str, str | None]]:
    rows = house.rows(
        "SELECT action, actor_id::text FROM auth.audit_events WHERE subject_id = $1 ORDER BY sequence",
        user_id,
    )
    return [(action, actor) for action, actor in rows]


def test_an_invitation(edge: Edge, admin: Person, mailbox: Mailbox, house: House) -> None:
    """The user is there at once, and signs in once a password was chosen by the link."""
    email = new_email()
    answer = _invite(edge, admin.access_token, email=email, role="admin")
    assert answer.outcome == (201, None)
    assert (answer.data["email"], answer.data["role"], answer.data["is_active"]) == (email, "admin", True)
    assert answer.data["email_verified"] is False
    assert answer.headers["etag"]
    assert _login(edge, email, PASSWORD).outcome == (401, "INVALID_CREDENTIALS")

    mail = mailbox.wait(email, "choose a password")
    assert "within 7 days" in str(mail.get_body(("plain",)))
    body = {"token": token_in(mail), "new_password": NEW}
    assert edge.post("/api/auth/password/reset", json=body).outcome == (204, None)
    signed_in = _login(edge, email, NEW)

    assert (signed_in.status, signed_in.data["role"]) == (200, "admin")
    deadline = time.monotonic() + 5
    while not edge.who(signed_in.data["access_token"]).data["email_verified"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ("auth.user_invited", admin.id) in _audited(house, answer.data["id"])
    assert edge.post("/api/auth/password/reset", json=body).code == "TOKEN_INVALID"


def test_bad_invitations(edge: Edge, admin: Person) -> None:
    """Taken addresses, whatever their spelling; fields that are no good; nothing is made."""
    ada = edge.register()
    token = admin.access_token
    assert _invite(edge, token, email=ada.email.upper()).outcome == (409, "EMAIL_TAKEN")
    for field, value in {"email": "nobody", "full_name": " ", "role": "root"}.items():
        answer = _invite(edge, token, **{field: value})
        assert (answer.status, answer.fields) == (422, {field})
    missing = edge.post("/api/users", token=token, json={"email": new_email(), "full_name": "Bob"})
    assert (missing.status, missing.fields) == (422, {"role"})


def test_two_invitations_at_once(edge: Edge, admin: Person) -> None:
    """One user; the other call is told, or given the same."""
    email = new_email()
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: _invite(edge, admin.access_token, email=email), range(4)))
    made_ids = {answer.data["id"] for answer in answers if answer.status == 201}

    assert len(made_ids) == 1
    assert {answer.outcome for answer in answers} <= {(201, None), (409, "EMAIL_TAKEN")}


def test_who_may(edge: Edge, admin: Person) -> None:
    """Admins, by a session; a key may sign people out with the scopes for it, and nothing else."""
    ada = edge.join(proven=True)
    users, everybody = f"/api/users/{ada.id}", "/api/admin/sessions/end-all"

    def answers(token: str | None) -> list[tuple[int, str | None]]:
        calls = [
            edge.post("/api/users", token=token, json={}),
            edge.get(f"{users}/sessions", token=token),
            edge.delete(f"{users}/sessions", token=token),
            edge.delete(f"{users}/mfa", token=token),
            edge.post(everybody, token=token),
        ]
        return [answer.outcome for answer in calls]

    assert set(answers(None)) == {(401, "UNAUTHENTICATED")}
    assert set(answers(ada.access_token)) == {(403, "FORBIDDEN")}
    assert set(answers(made(edge, ada, "read", "write")["key"])) == {(403, "FORBIDDEN")}
    assert set(answers(made(edge, admin, "read", "write")["key"])) == {(403, "FORBIDDEN")}
    assert set(answers(made(edge, admin, "read", "admin")["key"])) == {(403, "FORBIDDEN")}
    assert edge.who(ada.access_token).status == 200

    allowed = answers(made(edge, admin, "read", "write", "admin")["key"])
    assert allowed == [
        (403, "FORBIDDEN"),
        (403, "FORBIDDEN"),
        (204, None),
        (403, "FORBIDDEN"),
        (403, "FORBIDDEN"),
    ]
    assert edge.who(ada.access_token).outcome == (401, "TOKEN_REVOKED")


def test_anothers_sessions(edge: Edge, admin: Person, other: Edge, mailbox: Mailbox, house: House) -> None:
    """Listed in pages; ended at every gateway within a second; keys go on; told and audited."""
    ada = edge.join(proven=True)
    key = made(edge, ada)["key"]
    again = edge.sign_in(ada)
    path = f"/api/users/{ada.id}/sessions"
    page = edge.get(path, token=admin.access_token, params={"page_size": 1})
    assert (page.status, len(page.data), page.pagination["total_items"]) == (200, 1, 2)
    assert page.data[0]["current"] is False
    assert page.pagination["has_next"] is True
    assert edge.get(path, token=admin.access_token, params={"page": 3}).data == []
    assert other.who(again.access_token).status == 200

    assert edge.delete(path, token=admin.access_token).outcome == (204, None)

    assert edge.who(ada.access_token).outcome == (401, "TOKEN_REVOKED")
    deadline = time.monotonic() + 1
    while other.who(again.access_token).status != 401 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert other.who(again.access_token).outcome == (401, "TOKEN_REVOKED")
    refused = edge.post("/api/auth/refresh", json={"refresh_token": again.refresh_token})
    assert refused.code == "TOKEN_REVOKED"
    assert edge.who(key).status == 200
    assert edge.get(path, token=admin.access_token).data == []
    assert mailbox.wait(ada.email, "You were signed out everywhere")
    told = _audited(house, ada.id)
    assert ("auth.user_sessions_read", admin.id) in told
    assert ("auth.user_sessions_ended", admin.id) in told


def test_anothers_second_factor(edge: Edge, admin: Person, mailbox: Mailbox, house: House) -> None:
    """Somebody who lost it signs in with the password again."""
    ada = edge.join(proven=True)
    secret = edge.post("/api/auth/mfa/totp", token=ada.access_token).data["secret"]
    code = {"code": pyotp.TOTP(secret).now()}
    assert edge.post("/api/auth/mfa/totp/confirm", token=ada.access_token, json=code).status == 200
    assert _login(edge, ada.email, PASSWORD).data["mfa_required"] is True
    path = f"/api/users/{ada.id}/mfa"

    assert edge.delete(path, token=admin.access_token).outcome == (204, None)

    assert edge.sign_in(ada).access_token
    assert edge.delete(path, token=admin.access_token).outcome == (404, "NOT_FOUND")
    assert mailbox.wait(ada.email, "Your second factor was removed")
    assert ("auth.user_mfa_removed", admin.id) in _audited(house, ada.id)


def test_unknown_users_and_oneself(edge: Edge, admin: Person) -> None:
    """Unknown ids are not found; one's own second factor is not removed without the password."""
    token = admin.access_token
    unknown = [
        edge.get(f"/api/users/{NOBODY}/sessions", token=token),
        edge.delete(f"/api/users/{NOBODY}/sessions", token=token),
        edge.delete(f"/api/users/{NOBODY}/mfa", token=token),
    ]
    assert {answer.outcome for answer in unknown} == {(404, "NOT_FOUND")}
    assert edge.delete(f"/api/users/{admin.id}/mfa", token=token).outcome == (403, "FORBIDDEN")
    own = edge.get(f"/api/users/{admin.id}/sessions", token=token)
    assert [session["current"] for session in own.data].count(True) == 1


def test_everybodys_sessions(edge: Edge, admin: Person, other: Edge, house: House) -> None:
    """End at every gateway within a second, but for the one that asks; keys go on, people sign in."""
    people = [edge.join(proven=True) for _ in range(3)]
    key = made(edge, people[0])["key"]
    mine = edge.sign_in(admin)
    for person in people:
        assert other.who(person.access_token).status == 200

    assert edge.post("/api/admin/sessions/end-all", token=mine.access_token).outcome == (204, None)

    deadline = time.monotonic() + 1
    while other.who(people[2].access_token).status != 401 and time.monotonic() < deadline:
        time.sleep(0.05)
    for person in (*people, admin):
        for gateway in (edge, other):
            assert gateway.who(person.access_token).outcome == (401, "TOKEN_REVOKED")
        refused = edge.post("/api/auth/refresh", json={"refresh_token": person.refresh_token})
        assert refused.code == "TOKEN_REVOKED"
    for gateway in (edge, other):
        assert gateway.who(mine.access_token).status == 200
        assert gateway.who(key).status == 200
    refreshed = edge.post("/api/auth/refresh", json={"refresh_token": mine.refresh_token})
    assert other.who(refreshed.data["access_token"]).status == 200
    assert other.who(edge.sign_in(people[0]).access_token).status == 200
    with house.gateway() as url, Edge(url) as late:
        assert late.who(people[1].access_token).outcome == (401, "TOKEN_REVOKED")
        assert late.who(mine.access_token).status == 200
    assert house.rows("SELECT FROM auth.revocations_of_all WHERE NOT sessions_ended") == []

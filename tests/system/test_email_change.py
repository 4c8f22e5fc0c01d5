"""Changing the e-mail address: no account is lost by it, and no user learns which addresses exist."""

import time

import pytest

from tests.system.client import PASSWORD, Answer, Client, User, new_email
from tests.system.mailbox import Mailbox, token_in
from tests.system.running_system import System
from tests.waiting import wait_for

NEW_PASSWORD = "quiet-orchard-tin-whistle"
IN_USE = "Somebody asked for your e-mail address"


def _ask(client: Client, user: User, email: str) -> Answer:
    return client.put("/api/users/me", token=user.access_token, json={"email": email})


def _signs_in(client: Client, email: str, password: str = PASSWORD) -> bool:
    return client.post("/api/auth/login", json={"email": email, "password": password}).status == 200


def _undo(client: Client, token: str) -> tuple[int, str | None]:
    return client.post("/api/auth/email/undo", json={"token": token}).outcome


def _verify(client: Client, token: str) -> tuple[int, str | None]:
    return client.post("/api/auth/email/verify", json={"token": token}).outcome


def test_it_is_pending_until_it_is_proven(client: Client, mailbox: Mailbox) -> None:
    """Sign-in and resets use the current address, which is notified; sessions stay valid."""
    ada, new = client.join(proven=True), new_email()
    asked = _ask(client, ada, new)

    assert asked.outcome == (200, None)
    assert (asked.data["email"], asked.data["pending_email"]) == (ada.email, new)
    assert asked.data["email_verified"]
    assert asked.data == client.who(ada.access_token).data
    mailbox.undo_token(ada.email)
    assert not _signs_in(client, new)
    client.post("/api/auth/password/forgot", json={"email": new})
    client.post("/api/auth/password/forgot", json={"email": ada.email})
    reset = mailbox.reset_token(ada.email)

    assert _verify(client, mailbox.verification_token(new)) == (204, None)

    me = client.who(ada.access_token).data
    assert (me["email"], me["email_verified"], me["pending_email"]) == (new, True, None)
    assert _signs_in(client, new)
    assert not _signs_in(client, ada.email)
    mailbox.undo_token(ada.email, count=2)
    stale = client.post("/api/auth/password/reset", json={"token": reset, "new_password": NEW_PASSWORD})
    assert stale.outcome == (401, "TOKEN_INVALID")


def test_a_taken_address_looks_free(client: Client, mailbox: Mailbox) -> None:
    """The client sees no difference, now or later; the address's user is notified without a working link."""
    ada, eve, owner = client.join(), client.join(), client.register()
    answers = [_ask(client, ada, new_email()), _ask(client, eve, owner.email.upper())]
    mailbox.wait(owner.email, IN_USE)
    again = [client.post("/api/auth/email/resend", token=each.access_token) for each in (ada, eve)]
    exports = [client.get("/api/users/me/export", token=each.access_token).data for each in (ada, eve)]

    free, taken = answers
    assert (free.outcome, free.data.keys()) == (taken.outcome, taken.data.keys())
    assert taken.data["pending_email"] == owner.email.upper()
    assert taken.headers["etag"].partition("-")[0] == free.headers["etag"].partition("-")[0]
    assert {each.outcome for each in again} == {(202, None)}
    kinds = [sorted(token["kind"] for token in export["account"]["mail_tokens"]) for export in exports]
    assert kinds[0] == kinds[1]
    letters = [mail for mail in mailbox.mails(owner.email) if IN_USE in str(mail["Subject"])]
    assert all("token=" not in mail.as_string() for mail in letters)


def test_undoing(client: Client, mailbox: Mailbox) -> None:
    """The user undoes an intruder's change of the address, which also signs the intruder out."""
    ada, theirs = client.join(proven=True), new_email()
    key = client.post("/api/auth/api-keys", token=ada.access_token, json={"name": "x", "scopes": ["read"]})
    client.change_email(ada, theirs, mailbox)
    undo = mailbox.undo_token(ada.email, count=2)
    squat = {"email": ada.email, "password": PASSWORD, "full_name": "Eve"}
    assert client.post("/api/auth/register", json=squat).outcome == (409, "EMAIL_TAKEN")

    assert _undo(client, undo) == (204, None)

    assert _undo(client, undo) == (401, "TOKEN_INVALID")
    assert client.who(ada.access_token).code == "TOKEN_REVOKED"
    assert client.who(key.data["key"]).code == "TOKEN_REVOKED"
    assert not _signs_in(client, ada.email)
    assert not _signs_in(client, theirs)
    reset = {"token": mailbox.reset_token(ada.email), "new_password": NEW_PASSWORD}
    assert client.post("/api/auth/password/reset", json=reset).status == 204
    back = client.sign_in(User(ada.id, ada.email, NEW_PASSWORD, ""))
    me = client.who(back.access_token).data
    assert (me["email"], me["email_verified"], me["pending_email"]) == (ada.email, True, None)


def test_undoing_what_is_pending(client: Client, mailbox: Mailbox) -> None:
    """The link of the first notice works once the change is made; the proof is useless then."""
    ada, theirs = client.join(), new_email()
    _ask(client, ada, theirs)
    proof = mailbox.verification_token(theirs)

    assert _undo(client, mailbox.undo_token(ada.email)) == (204, None)

    assert _verify(client, proof) == (401, "TOKEN_INVALID")
    assert client.who(ada.access_token).code == "TOKEN_REVOKED"


def test_two_ask_for_one(client: Client, mailbox: Mailbox) -> None:
    """The first to prove it gets it; the other one gets an error at the proof."""
    ada, eve, wanted = client.join(), client.join(), new_email()
    _ask(client, ada, wanted)
    _ask(client, eve, wanted)
    mailbox.wait(wanted, "Confirm", 2)
    mails = [mail for mail in mailbox.mails(wanted) if "Confirm" in str(mail["Subject"])]
    outcomes = [_verify(client, token_in(mail)) for mail in mails]

    assert outcomes == [(204, None), (409, "EMAIL_TAKEN")]


def test_five_an_hour(client: Client, mailbox: Mailbox) -> None:
    """Then 429, whether the address is taken or not; it gets five mails at most; names still change."""
    ada, owner = client.join(), client.register()
    wanted = [new_email() for _ in range(4)]
    began = time.monotonic()
    answers = [_ask(client, ada, email) for email in (*wanted, owner.email, owner.email, *wanted)]

    assert time.monotonic() - began < 60
    assert [answer.status for answer in answers] == [200] * 6 + [429] * 4
    assert answers[-1].code == "RATE_LIMITED"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 3600
    renamed = client.put("/api/users/me", token=ada.access_token, json={"full_name": "Ada King"})
    assert renamed.status == 200
    mailbox.wait(owner.email, IN_USE)
    assert len([mail for mail in mailbox.mails(owner.email) if IN_USE in str(mail["Subject"])]) == 1


@pytest.mark.nightly
def test_while_user_service_is_away(client: Client, system: System, mailbox: Mailbox) -> None:
    """A proof made meanwhile works afterwards; undoing is done at once and reported later."""
    ada, theirs = client.join(proven=True), new_email()
    _ask(client, ada, theirs)
    proof, undo = mailbox.verification_token(theirs), mailbox.undo_token(ada.email)
    with system.without("user-service"):
        assert _verify(client, proof) == (503, "UNAVAILABLE")
    wait_for(lambda: _verify(client, proof) == (204, None))
    with system.without("user-service"):
        assert _undo(client, undo) == (204, None)
        assert not _signs_in(client, theirs)
        reset = {"token": mailbox.reset_token(ada.email), "new_password": NEW_PASSWORD}
    wait_for(lambda: client.post("/api/auth/password/reset", json=reset).status == 204)
    back = client.sign_in(User(ada.id, ada.email, NEW_PASSWORD, ""))
    wait_for(lambda: client.who(back.access_token).data["email"] == ada.email)


def test_wrong_tokens(client: Client, mailbox: Mailbox) -> None:
    """A token of one kind is not accepted as another kind."""
    ada, new = client.join(), new_email()
    _ask(client, ada, new)

    assert _undo(client, mailbox.verification_token(new)) == (401, "TOKEN_INVALID")
    assert _verify(client, mailbox.undo_token(ada.email)) == (401, "TOKEN_INVALID")
    assert _undo(client, "A" * 43) == (401, "TOKEN_INVALID")
    assert client.post("/api/auth/email/undo", json={}).code == "VALIDATION_ERROR"


def test_a_change_by_an_admin(client: Client, admin: User, mailbox: Mailbox) -> None:
    """It is pending too, unless the admin vouches for it; the former address can undo either."""
    ada, new = client.join(), new_email()
    path = f"/api/users/{ada.id}"
    asked = client.put(path, token=admin.access_token, json={"email": new})
    assert (asked.data["email"], asked.data["pending_email"]) == (ada.email, new)
    taken = client.put(path, token=admin.access_token, json={"email": admin.email})
    assert taken.outcome == (409, "EMAIL_TAKEN")
    own = client.put(f"/api/users/{admin.id}", token=admin.access_token, json={"email": new_email()})
    assert own.outcome == (403, "FORBIDDEN")

    vouched = client.put(path, token=admin.access_token, json={"email": new, "email_verified": True})

    assert (vouched.data["email"], vouched.data["email_verified"]) == (new, True)
    assert vouched.data["pending_email"] is None
    assert _signs_in(client, new)
    assert _undo(client, mailbox.undo_token(ada.email, count=2)) == (204, None)

"""Changing the e-mail address, from outside: no account is lost by it, and nobody learns of another's."""

import time
from collections.abc import Callable

from tests.system.edge import PASSWORD, Answer, Edge, Person, new_email
from tests.system.house import House
from tests.system.mailbox import Mailbox, token_in

NEW_PASSWORD = "quiet-orchard-tin-whistle"
IN_USE = "Somebody asked for your e-mail address"


def _ask(edge: Edge, person: Person, email: str) -> Answer:
    return edge.put("/api/users/me", token=person.access_token, json={"email": email})


def _signs_in(edge: Edge, email: str, password: str = PASSWORD) -> bool:
    return edge.post("/api/auth/login", json={"email": email, "password": password}).status == 200


def _until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _undo(edge: Edge, token: str) -> tuple[int, str | None]:
    return edge.post("/api/auth/email/undo", json={"token": token}).outcome


def _verify(edge: Edge, token: str) -> tuple[int, str | None]:
    return edge.post("/api/auth/email/verify", json={"token": token}).outcome


def test_it_is_pending_until_it_is_proven(edge: Edge, mailbox: Mailbox) -> None:
    """Signing in and resets stay with the present address, which is told; sessions go on."""
    ada, new = edge.join(proven=True), new_email()
    asked = _ask(edge, ada, new)

    assert asked.outcome == (200, None)
    assert (asked.data["email"], asked.data["pending_email"]) == (ada.email, new)
    assert asked.data["email_verified"]
    assert asked.data == edge.who(ada.access_token).data
    mailbox.undo_token(ada.email)
    assert not _signs_in(edge, new)
    edge.post("/api/auth/password/forgot", json={"email": new})
    edge.post("/api/auth/password/forgot", json={"email": ada.email})
    reset = mailbox.reset_token(ada.email)

    assert _verify(edge, mailbox.verification_token(new)) == (204, None)

    me = edge.who(ada.access_token).data
    assert (me["email"], me["email_verified"], me["pending_email"]) == (new, True, None)
    assert _signs_in(edge, new)
    assert not _signs_in(edge, ada.email)
    mailbox.undo_token(ada.email, count=2)
    stale = edge.post("/api/auth/password/reset", json={"token": reset, "new_password": NEW_PASSWORD})
    assert stale.outcome == (401, "TOKEN_INVALID")


def test_a_taken_address_looks_free(edge: Edge, mailbox: Mailbox) -> None:
    """To who asks, now and later; its owner is told, and mailed nothing that works."""
    ada, eve, owner = edge.join(), edge.join(), edge.register()
    answers = [_ask(edge, ada, new_email()), _ask(edge, eve, owner.email.upper())]
    mailbox.wait(owner.email, IN_USE)
    again = [edge.post("/api/auth/email/resend", token=each.access_token) for each in (ada, eve)]
    exports = [edge.get("/api/users/me/export", token=each.access_token).data for each in (ada, eve)]

    free, taken = answers
    assert (free.outcome, free.data.keys()) == (taken.outcome, taken.data.keys())
    assert taken.data["pending_email"] == owner.email.upper()
    assert taken.headers["etag"].partition("-")[0] == free.headers["etag"].partition("-")[0]
    assert {each.outcome for each in again} == {(202, None)}
    kinds = [sorted(token["kind"] for token in export["account"]["mail_tokens"]) for export in exports]
    assert kinds[0] == kinds[1]
    letters = [mail for mail in mailbox.mails(owner.email) if IN_USE in str(mail["Subject"])]
    assert all("token=" not in mail.as_string() for mail in letters)


def test_undoing(edge: Edge, mailbox: Mailbox) -> None:
    """An intruder who moved the account, and took the address that it had, is out of it."""
    ada, theirs = edge.join(proven=True), new_email()
    key = edge.post("/api/auth/api-keys", token=ada.access_token, json={"name": "x", "scopes": ["read"]})
    edge.change_email(ada, theirs, mailbox)
    undo = mailbox.undo_token(ada.email, count=2)
    squat = {"email": ada.email, "password": PASSWORD, "full_name": "Eve"}
    assert edge.post("/api/auth/register", json=squat).outcome == (409, "EMAIL_TAKEN")

    assert _undo(edge, undo) == (204, None)

    assert _undo(edge, undo) == (401, "TOKEN_INVALID")
    assert edge.who(ada.access_token).code == "TOKEN_REVOKED"
    assert edge.who(key.data["key"]).code == "TOKEN_REVOKED"
    assert not _signs_in(edge, ada.email)
    assert not _signs_in(edge, theirs)
    reset = {"token": mailbox.reset_token(ada.email), "new_password": NEW_PASSWORD}
    assert edge.post("/api/auth/password/reset", json=reset).status == 204
    back = edge.sign_in(Person(ada.id, ada.email, NEW_PASSWORD, ""))
    me = edge.who(back.access_token).data
    assert (me["email"], me["email_verified"], me["pending_email"]) == (ada.email, True, None)


def test_undoing_what_is_pending(edge: Edge, mailbox: Mailbox) -> None:
    """The first notice's link is enough, and the proof is useless then."""
    ada, theirs = edge.join(), new_email()
    _ask(edge, ada, theirs)
    proof = mailbox.verification_token(theirs)

    assert _undo(edge, mailbox.undo_token(ada.email)) == (204, None)

    assert _verify(edge, proof) == (401, "TOKEN_INVALID")
    assert edge.who(ada.access_token).code == "TOKEN_REVOKED"


def test_two_ask_for_one(edge: Edge, mailbox: Mailbox) -> None:
    """Whoever proves it first has it; the other is told so at the proof."""
    ada, eve, wanted = edge.join(), edge.join(), new_email()
    _ask(edge, ada, wanted)
    _ask(edge, eve, wanted)
    mailbox.wait(wanted, "Confirm", 2)
    mails = [mail for mail in mailbox.mails(wanted) if "Confirm" in str(mail["Subject"])]
    outcomes = [_verify(edge, token_in(mail)) for mail in mails]

    assert outcomes == [(204, None), (409, "EMAIL_TAKEN")]


def test_five_an_hour(edge: Edge, mailbox: Mailbox) -> None:
    """Then 429, whoever has the address; a stranger gets five mails at most, and names change on."""
    ada, owner = edge.join(), edge.register()
    wanted = [new_email() for _ in range(4)]
    began = time.monotonic()
    answers = [_ask(edge, ada, email) for email in (*wanted, owner.email, owner.email, *wanted)]

    assert time.monotonic() - began < 60
    assert [answer.status for answer in answers] == [200] * 6 + [429] * 4
    assert answers[-1].code == "RATE_LIMITED"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 3600
    renamed = edge.put("/api/users/me", token=ada.access_token, json={"full_name": "Ada King"})
    assert renamed.status == 200
    mailbox.wait(owner.email, IN_USE)
    assert len([mail for mail in mailbox.mails(owner.email) if IN_USE in str(mail["Subject"])]) == 1


def test_while_user_service_is_away(edge: Edge, house: House, mailbox: Mailbox) -> None:
    """A proof waits, and is as good afterwards; undoing is done at once, and followed later."""
    ada, theirs = edge.join(proven=True), new_email()
    _ask(edge, ada, theirs)
    proof, undo = mailbox.verification_token(theirs), mailbox.undo_token(ada.email)
    with house.without("user-service"):
        assert _verify(edge, proof) == (503, "UNAVAILABLE")
    _until(lambda: _verify(edge, proof) == (204, None))
    with house.without("user-service"):
        assert _undo(edge, undo) == (204, None)
        assert not _signs_in(edge, theirs)
        reset = {"token": mailbox.reset_token(ada.email), "new_password": NEW_PASSWORD}
    _until(lambda: edge.post("/api/auth/password/reset", json=reset).status == 204)
    back = edge.sign_in(Person(ada.id, ada.email, NEW_PASSWORD, ""))
    _until(lambda: edge.who(back.access_token).data["email"] == ada.email)


def test_wrong_tokens(edge: Edge, mailbox: Mailbox) -> None:
    """Neither kind stands for the other."""
    ada, new = edge.join(), new_email()
    _ask(edge, ada, new)

    assert _undo(edge, mailbox.verification_token(new)) == (401, "TOKEN_INVALID")
    assert _verify(edge, mailbox.undo_token(ada.email)) == (401, "TOKEN_INVALID")
    assert _undo(edge, "A" * 43) == (401, "TOKEN_INVALID")
    assert edge.post("/api/auth/email/undo", json={}).code == "VALIDATION_ERROR"


def test_an_admin_asks_for_somebody(edge: Edge, admin: Person, mailbox: Mailbox) -> None:
    """It is pending too, unless the admin vouches; the former address can undo either."""
    ada, new = edge.join(), new_email()
    path = f"/api/users/{ada.id}"
    asked = edge.put(path, token=admin.access_token, json={"email": new})
    assert (asked.data["email"], asked.data["pending_email"]) == (ada.email, new)
    taken = edge.put(path, token=admin.access_token, json={"email": admin.email})
    assert taken.outcome == (409, "EMAIL_TAKEN")
    own = edge.put(f"/api/users/{admin.id}", token=admin.access_token, json={"email": new_email()})
    assert own.outcome == (403, "FORBIDDEN")

    vouched = edge.put(path, token=admin.access_token, json={"email": new, "email_verified": True})

    assert (vouched.data["email"], vouched.data["email_verified"]) == (new, True)
    assert vouched.data["pending_email"] is None
    assert _signs_in(edge, new)
    assert _undo(edge, mailbox.undo_token(ada.email, count=2)) == (204, None)

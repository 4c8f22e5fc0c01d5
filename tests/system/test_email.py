"""Verifying addresses: by the mail that registering, a new address or asking for it sends."""

import time

import pytest

from tests.system.edge import Edge, Person, new_email
from tests.system.house import House
from tests.system.mailbox import Mailbox, body

WAIT_SECONDS = 30


def _verify(edge: Edge, token: str) -> tuple[int, str | None]:
    return edge.post("/api/auth/email/verify", json={"token": token}).outcome


def _is_verified(edge: Edge, person: Person) -> bool:
    verified: bool = edge.who(person.access_token).data["email_verified"]
    return verified


def _until_verified(edge: Edge, person: Person) -> None:
    """At once as a rule; when user-service cannot be told in two seconds, its event tells it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not _is_verified(edge, person):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_registering_sends_the_mail_that_verifies(edge: Edge, mailbox: Mailbox) -> None:
    """Once only."""
    ada = edge.join()
    token = mailbox.verification_token(ada.email)
    assert not _is_verified(edge, ada)

    assert _verify(edge, token) == (204, None)

    _until_verified(edge, ada)
    assert _verify(edge, token) == (401, "TOKEN_INVALID")


def test_the_mail(edge: Edge, mailbox: Mailbox) -> None:
    """Text and HTML, marked as written by a machine, with a link below the public URL."""
    ada = edge.register()
    mail = mailbox.wait(ada.email, "Confirm")

    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"]
    assert mail["Date"]
    assert mail["From"]
    assert f"{edge.url}/verify-email?token=" in body(mail, "plain")
    assert f'href="{edge.url}/verify-email?token=' in body(mail, "html")
    assert ada.full_name not in mail.as_string()


def test_user_service_may_be_away(edge: Edge, house: House, mailbox: Mailbox) -> None:
    """The proof is taken all the same, and told as soon as there is somebody to tell."""
    ada = edge.join()
    token = mailbox.verification_token(ada.email)
    with house.without("user-service"):
        assert _verify(edge, token) == (204, None)
    _until_verified(edge, ada)


def test_a_new_address_is_proven_by_itself(edge: Edge, mailbox: Mailbox) -> None:
    """Its mail goes to it; the present one's token proves the present one, as long as that stays."""
    ada = edge.join()
    first = mailbox.verification_token(ada.email)
    later = new_email()
    changed = edge.put("/api/users/me", token=ada.access_token, json={"email": later})
    assert changed.data["email_verified"] is False
    second = mailbox.verification_token(later)

    assert _verify(edge, second) == (204, None)
    _until_verified(edge, ada)
    assert _verify(edge, first) == (401, "TOKEN_INVALID")


def test_resend(edge: Edge, mailbox: Mailbox) -> None:
    """A new mail, whose token replaces the one before."""
    ada = edge.join()
    older = mailbox.verification_token(ada.email)
    answer = edge.post("/api/auth/email/resend", token=ada.access_token)
    assert answer.outcome == (202, None)
    assert answer.data in (None, {})
    newer = mailbox.verification_token(ada.email, count=2)

    assert _verify(edge, older) == (401, "TOKEN_INVALID")
    assert _verify(edge, newer) == (204, None)


def test_resend_needs_somebody(edge: Edge) -> None:
    """Who is not signed in has no address to verify."""
    assert edge.post("/api/auth/email/resend").outcome == (401, "UNAUTHENTICATED")


def test_nothing_is_sent_to_a_verified_address(edge: Edge, house: House, mailbox: Mailbox) -> None:
    """The answer is the same."""
    ada = edge.join()
    _verify(edge, mailbox.verification_token(ada.email))
    assert edge.post("/api/auth/email/resend", token=ada.access_token).outcome == (202, None)
    # Mails leave in the order of their queue: once this one is out, so would be the other.
    other = edge.register()
    mailbox.verification_token(other.email)

    assert not house.rows("SELECT FROM auth.mails WHERE user_id = $1", ada.id)
    assert len(mailbox.mails(ada.email)) == 1


def test_an_expired_token(edge: Edge, house: House, mailbox: Mailbox) -> None:
    """After an hour it is refused as such."""
    ada = edge.join()
    token = mailbox.verification_token(ada.email)
    house.change(
        "UPDATE auth.mailed_tokens SET expires_at = expires_at - interval '1 hour' WHERE user_id = $1",
        ada.id,
    )

    assert _verify(edge, token) == (401, "TOKEN_EXPIRED")
    assert not _is_verified(edge, ada)


@pytest.mark.parametrize("token", ["x", "A" * 43, "🗝"])
def test_a_wrong_token(edge: Edge, token: str) -> None:
    """Nothing is told of why."""
    assert _verify(edge, token) == (401, "TOKEN_INVALID")


def test_a_missing_token(edge: Edge) -> None:
    """It is named."""
    answer = edge.post("/api/auth/email/verify", json={})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert answer.fields == {"token"}


def test_a_reset_token_verifies_nothing(edge: Edge, mailbox: Mailbox) -> None:
    """Each kind has its one purpose."""
    ada = edge.join()
    edge.post("/api/auth/password/forgot", json={"email": ada.email})

    assert _verify(edge, mailbox.reset_token(ada.email)) == (401, "TOKEN_INVALID")
    assert not _is_verified(edge, ada)


def test_it_is_audited(edge: Edge, admin: Person, mailbox: Mailbox) -> None:
    """By both services, each once."""
    ada = edge.join()
    _verify(edge, mailbox.verification_token(ada.email))
    edge.post("/api/auth/email/resend", token=ada.access_token)
    found = edge.get("/api/admin/audit-events", token=admin.access_token, params={"subject_id": ada.id})

    told = [entry["action"] for entry in found.data]
    assert told.count("auth.email_verified") == 1
    assert told.count("auth.verification_resent") == 1

"""Verifying addresses by the mail that registering, a new address or a request sends."""

import pytest

from tests.system.client import Client, User, new_email
from tests.system.mailbox import Mailbox, body
from tests.system.running_system import System
from tests.waiting import wait_for


def _verify(client: Client, token: str) -> tuple[int, str | None]:
    return client.post("/api/auth/email/verify", json={"token": token}).outcome


def _is_verified(client: Client, user: User) -> bool:
    verified: bool = client.who(user.access_token).data["email_verified"]
    return verified


def _until_verified(client: Client, user: User) -> None:
    """Soon: when user-service does not answer in two seconds, the event reaches it later."""
    wait_for(lambda: _is_verified(client, user))


def test_registering_sends_the_mail_that_verifies(client: Client, mailbox: Mailbox) -> None:
    """Only once."""
    ada = client.join()
    token = mailbox.verification_token(ada.email)
    assert not _is_verified(client, ada)

    assert _verify(client, token) == (204, None)

    _until_verified(client, ada)
    assert _verify(client, token) == (401, "TOKEN_INVALID")


def test_the_mail(client: Client, mailbox: Mailbox) -> None:
    """Text and HTML, marked as automatic, with a link below the public URL."""
    ada = client.register()
    mail = mailbox.wait(ada.email, "Confirm")

    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"]
    assert mail["Date"]
    assert mail["From"]
    assert f"{client.url}/verify-email?token=" in body(mail, "plain")
    assert f'href="{client.url}/verify-email?token=' in body(mail, "html")
    assert ada.full_name not in mail.as_string()


@pytest.mark.nightly
def test_user_service_may_be_away(client: Client, system: System, mailbox: Mailbox) -> None:
    """The proof is accepted, and reported to user-service once it runs."""
    ada = client.join()
    token = mailbox.verification_token(ada.email)
    with system.without("user-service"):
        assert _verify(client, token) == (204, None)
    _until_verified(client, ada)


def test_a_new_address_is_proven_by_itself(client: Client, mailbox: Mailbox) -> None:
    """The new address gets its own mail; the token of the current one stays valid for the current one."""
    ada = client.join()
    first = mailbox.verification_token(ada.email)
    later = new_email()
    changed = client.put("/api/users/me", token=ada.access_token, json={"email": later})
    assert changed.data["email_verified"] is False
    second = mailbox.verification_token(later)

    assert _verify(client, second) == (204, None)
    _until_verified(client, ada)
    assert _verify(client, first) == (401, "TOKEN_INVALID")


def test_resend(client: Client, mailbox: Mailbox) -> None:
    """A new mail's token replaces the previous one."""
    ada = client.join()
    older = mailbox.verification_token(ada.email)
    answer = client.post("/api/auth/email/resend", token=ada.access_token)
    assert answer.outcome == (202, None)
    assert answer.data in (None, {})
    newer = mailbox.verification_token(ada.email, count=2)

    assert _verify(client, older) == (401, "TOKEN_INVALID")
    assert _verify(client, newer) == (204, None)


def test_resend_needs_a_user(client: Client) -> None:
    """An anonymous client has no address to verify."""
    assert client.post("/api/auth/email/resend").outcome == (401, "UNAUTHENTICATED")


def test_nothing_is_sent_to_a_verified_address(client: Client, system: System, mailbox: Mailbox) -> None:
    """The answer is the same."""
    ada = client.join()
    _verify(client, mailbox.verification_token(ada.email))
    assert client.post("/api/auth/email/resend", token=ada.access_token).outcome == (202, None)
    # Mails leave in order: once this one has left, the other one would have too.
    other = client.register()
    mailbox.verification_token(other.email)

    assert not system.rows("SELECT FROM auth.mails WHERE user_id = $1", ada.id)
    assert len(mailbox.mails(ada.email)) == 1


def test_an_expired_token(client: Client, system: System, mailbox: Mailbox) -> None:
    """An hour after it was sent it is refused as expired."""
    ada = client.join()
    token = mailbox.verification_token(ada.email)
    system.change(
        "UPDATE auth.mailed_tokens SET expires_at = expires_at - interval '1 hour' WHERE user_id = $1",
        ada.id,
    )

    assert _verify(client, token) == (401, "TOKEN_EXPIRED")
    assert not _is_verified(client, ada)


@pytest.mark.parametrize("token", ["x", "A" * 43, "🗝"])
def test_a_wrong_token(client: Client, token: str) -> None:
    """The answer does not say why."""
    assert _verify(client, token) == (401, "TOKEN_INVALID")


def test_a_missing_token(client: Client) -> None:
    """The field is named."""
    answer = client.post("/api/auth/email/verify", json={})

    assert answer.outcome == (422, "VALIDATION_ERROR")
    assert answer.fields == {"token"}


def test_a_reset_token_verifies_nothing(client: Client, mailbox: Mailbox) -> None:
    """Each kind of token has one purpose."""
    ada = client.join()
    client.post("/api/auth/password/forgot", json={"email": ada.email})

    assert _verify(client, mailbox.reset_token(ada.email)) == (401, "TOKEN_INVALID")
    assert not _is_verified(client, ada)


def test_it_is_audited(client: Client, admin: User, mailbox: Mailbox) -> None:
    """By both services, once each."""
    ada = client.join()
    _verify(client, mailbox.verification_token(ada.email))
    client.post("/api/auth/email/resend", token=ada.access_token)
    found = client.get("/api/admin/audit-events", token=admin.access_token, params={"subject_id": ada.id})

    recorded = [entry["action"] for entry in found.data]
    assert recorded.count("auth.email_verified") == 1
    assert recorded.count("auth.verification_resent") == 1

"""Mails that notify users of changes of their account."""

import pyotp

from tests.fakes.authenticator import Authenticator
from tests.system.client import PASSWORD, Client, User
from tests.system.machines import KEYS, made
from tests.system.mailbox import Mailbox, body, token_in
from tests.system.passkeys import PASSKEYS, Owner, add, registration_options
from tests.system.running_system import System

NEW = "copper-lantern-orbit-fern"


def test_a_changed_password(client: Client, mailbox: Mailbox) -> None:
    """In text and HTML, without a token, a link or the user's name."""
    ada = client.join()
    body_of = {"old_password": PASSWORD, "new_password": NEW}
    assert client.put("/api/users/me/password", token=ada.access_token, json=body_of).status == 204
    mail = mailbox.wait(ada.email, "Your password was changed")

    for form in ("plain", "html"):
        text = body(mail, form)
        assert "The password of your account was changed" in text
        assert "token" not in text
        assert "http" not in text
        assert ada.full_name not in text


def test_a_reset_password(client: Client, mailbox: Mailbox) -> None:
    """Also when it was chosen with a mailed token."""
    ada = client.register()
    client.post("/api/auth/password/forgot", json={"email": ada.email})
    token = mailbox.reset_token(ada.email)
    assert client.post("/api/auth/password/reset", json={"token": token, "new_password": NEW}).status == 204

    assert mailbox.wait(ada.email, "Your password was changed")


def test_the_second_factor(client: Client, mailbox: Mailbox) -> None:
    """On and off; refused attempts are not notified."""
    ada = client.join(proven=True)
    begun = client.post("/api/auth/mfa/totp", token=ada.access_token)
    client.post("/api/auth/mfa/totp/confirm", token=ada.access_token, json={"code": "1"})
    code = pyotp.TOTP(begun.data["secret"]).now()
    client.post("/api/auth/mfa/totp/confirm", token=ada.access_token, json={"code": code})
    on = mailbox.wait(ada.email, "The second factor was turned on")
    client.delete("/api/auth/mfa/totp", token=ada.access_token, json={"password": PASSWORD})
    off = mailbox.wait(ada.email, "The second factor was turned off")

    assert begun.data["secret"] not in on.as_string() + off.as_string()
    assert len([mail for mail in mailbox.mails(ada.email) if "turned on" in str(mail["Subject"])]) == 1


def test_a_second_factor_is_undone_by_mail(client: Client, mailbox: Mailbox) -> None:
    """Undoing a second factor that was turned on with a stolen session; the user chooses a new password."""
    ada = client.join(proven=True)
    secret = client.post("/api/auth/mfa/totp", token=ada.access_token).data["secret"]
    code = {"code": pyotp.TOTP(secret).now()}
    assert client.post("/api/auth/mfa/totp/confirm", token=ada.access_token, json=code).status == 200
    key = made(client, ada)["key"]
    undo = {"token": token_in(mailbox.wait(ada.email, "The second factor was turned on"))}

    assert client.post("/api/auth/email/undo", json=undo).outcome == (204, None)

    assert client.post("/api/auth/email/undo", json=undo).outcome == (401, "TOKEN_INVALID")
    assert client.who(ada.access_token).outcome == (401, "TOKEN_REVOKED")
    assert client.who(key).outcome == (401, "TOKEN_REVOKED")
    login = {"email": ada.email, "password": PASSWORD}
    assert client.post("/api/auth/login", json=login).outcome == (401, "INVALID_CREDENTIALS")
    reset = {"token": mailbox.reset_token(ada.email), "new_password": NEW}
    assert client.post("/api/auth/password/reset", json=reset).outcome == (204, None)
    signed_in = client.post("/api/auth/login", json=login | {"password": NEW})
    assert client.who(signed_in.data["access_token"]).status == 200


def test_passkeys(client: Client, mailbox: Mailbox, owner: Owner) -> None:
    """Each one that was added or removed."""
    user = owner.user
    mailbox.wait(user.email, "A passkey was added")
    options = registration_options(client, user.access_token)
    added = add(client, user.access_token, Authenticator(owner.device.origin).create(options)[1], "Key")
    mailbox.wait(user.email, "A passkey was added", count=2)
    path = f"{PASSKEYS}/{added.data['id']}"
    client.delete(path, token=user.access_token, json={"password": PASSWORD})

    assert mailbox.wait(user.email, "A passkey was removed")


def test_api_keys(client: Client, mailbox: Mailbox) -> None:
    """Created and deleted; the mail contains nothing of the key's secret."""
    ada = client.join(proven=True)
    key = made(client, ada)
    mail = mailbox.wait(ada.email, "An API key was created")
    assert client.delete(f"{KEYS}/{key['id']}", token=ada.access_token).status == 204

    assert mailbox.wait(ada.email, "An API key was deleted")
    assert key["prefix"] not in mail.as_string()


def test_a_new_device(client: Client, mailbox: Mailbox, system: System) -> None:
    """Once per browser, except the first and known ones. Postgres cannot read which browser it is."""
    ada = client.join()
    login = {"email": ada.email, "password": PASSWORD}
    for browser in ("Netscape Navigator", "Netscape Navigator", "Lynx/2.8"):
        answer = client.post("/api/auth/login", json=login, headers={"user-agent": browser})
        assert answer.outcome == (200, None)
    mailbox.wait(ada.email, "A new device signed in", count=2)

    assert client.post("/api/auth/login", json=login, headers={"user-agent": "Lynx/2.9"}).status == 200
    waiting = "SELECT FROM auth.mails WHERE kind = 'new_device' AND user_id = $1"
    assert system.rows(waiting, ada.id) == []
    notices = [mail for mail in mailbox.mails(ada.email) if "new device" in str(mail["Subject"])]
    assert len(notices) == 2
    digests = system.rows("SELECT digest FROM auth.known_devices WHERE user_id = $1", ada.id)
    assert [len(digest) for (digest,) in digests] == [32] * 3


def test_guessed_codes(client: Client, mailbox: Mailbox) -> None:
    """A client that guesses codes has the password; the user is notified once."""
    ada = client.join(proven=True)
    secret = client.post("/api/auth/mfa/totp", token=ada.access_token).data["secret"]
    code = {"code": pyotp.TOTP(secret).now()}
    client.post("/api/auth/mfa/totp/confirm", token=ada.access_token, json=code)
    begun = client.post("/api/auth/login", json={"email": ada.email, "password": PASSWORD})
    guess = {"mfa_token": begun.data["mfa_token"], "code": "wrong"}
    outcomes = [client.post("/api/auth/mfa/verify", json=guess).code for _ in range(7)]
    assert outcomes == ["INVALID_CREDENTIALS"] * 5 + ["TOO_MANY_ATTEMPTS"] * 2

    mail = mailbox.wait(ada.email, "Somebody has your password")
    assert secret not in mail.as_string()
    notices = [mail for mail in mailbox.mails(ada.email) if "Somebody has" in str(mail["Subject"])]
    assert len(notices) == 1


def test_a_failed_change_is_not_notified(client: Client, system: System, ada: User) -> None:
    """A notice is queued in the transaction of its change."""
    body_of = {"old_password": "wrong-guess-of-eve", "new_password": NEW}
    assert client.put("/api/users/me/password", token=ada.access_token, json=body_of).status == 422

    assert (
        system.rows("SELECT FROM auth.mails WHERE kind = 'password_changed' AND user_id = $1", ada.id) == []
    )

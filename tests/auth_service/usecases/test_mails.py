"""Resetting a password, verifying an address, and the mails for both."""

from datetime import timedelta

import pytest
from auth_service.domain.errors import AccountDisabled, Undeliverable, WeakPassword
from auth_service.domain.events import EmailVerified
from auth_service.domain.mail import MailKind, wait_after
from auth_service.usecases.mail_delivery import SendMails
from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked, Unavailable
from chassis.identity.caller import Caller

from tests.auth_service.local_service import EMAIL, PASSWORD, LocalService, a_client, a_service
from tests.fakes.auth_service.mail_sender import FakeMailSender
from tests.fakes.auth_service.secrets import FakeMailTokens

NEW = "another stone lamp"
RESET, PROOF = MailKind.PASSWORD_RESET, MailKind.EMAIL_VERIFICATION


@pytest.fixture(name="sender")
def _postman() -> FakeMailSender:
    return FakeMailSender()


@pytest.fixture(name="send")
def _send(service: LocalService, sender: FakeMailSender) -> SendMails:
    return SendMails(service.units, FakeMailTokens(), sender)


async def _token(service: LocalService, send: SendMails, sender: FakeMailSender, email: str = EMAIL) -> str:
    """Requests a password reset and returns the token."""
    await service.passwords.forgot_password(email=email, caller=a_client())
    await send()
    return sender.token(RESET)


async def test_no_notice_stands_for_another(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """Both of two are sent, to a new address too; none to a user deactivated meanwhile."""
    user_id = await service.user()
    async with service.units.transaction() as unit:
        for _ in range(2):
            await unit.mails.queue(MailKind.PASSKEY_ADDED, user_id)
    service.directory.put(user_id, "new@example.com")
    await service.accounts.sync_account(user_id=user_id, caller=a_service())
    await send()
    notices = [mail for mail in sender.sent if mail.kind is MailKind.PASSKEY_ADDED]
    assert [(mail.to, mail.token) for mail in notices] == [("new@example.com", "")] * 2

    async with service.units.transaction() as unit:
        await unit.mails.queue(MailKind.PASSKEY_ADDED, user_id)
    service.directory.put(user_id, "new@example.com", is_active=False)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())
    await send()
    assert len([mail for mail in sender.sent if mail.kind is MailKind.PASSKEY_ADDED]) == 2
    assert not await service.database.rows("mails")


async def _reset(service: LocalService, token: str, password: str = NEW) -> None:
    await service.passwords.reset_password(token=token, new_password=password, caller=a_client())


async def test_a_reset_ends_every_session(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """And takes back every token."""
    user_id = await service.user()
    tokens = await service.sign_in()
    token = await _token(service, send, sender)

    await _reset(service, token)

    with pytest.raises(TokenRevoked):
        await service.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    assert [each.user_id for each in await service.database.revocations()] == [user_id]
    await service.sign_in(password=NEW)
    with pytest.raises(TokenInvalid):
        await _reset(service, token)
    assert ("auth.password_reset", "refused") not in await service.database.actions(), "of no known token"


async def test_a_weak_password_spends_nothing(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """Nor does a user-service that is away."""
    await service.user()
    token = await _token(service, send, sender)
    with pytest.raises(WeakPassword):
        await _reset(service, token, "lovelace")
    service.directory.away = True
    with pytest.raises(Unavailable):
        await _reset(service, token)
    service.directory.away = False

    await _reset(service, token)


async def test_an_hour(service: LocalService, send: SendMails, sender: FakeMailSender) -> None:
    """Then it has expired."""
    await service.user()
    token = await _token(service, send, sender)
    service.clock.advance(timedelta(hours=1))

    with pytest.raises(TokenExpired):
        await _reset(service, token)
    assert (await service.database.actions())[-1] == ("auth.password_reset", "refused")


async def test_deactivated(service: LocalService, send: SendMails, sender: FakeMailSender) -> None:
    """A token that was sent before is no good, and none is sent after."""
    user_id = await service.user()
    token = await _token(service, send, sender)
    sent = len(sender.sent)
    service.directory.put(user_id, EMAIL, is_active=False)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    with pytest.raises(TokenInvalid):
        await _reset(service, token)
    await service.passwords.forgot_password(email=EMAIL, caller=a_client())
    await send()
    assert [mail.to for mail in sender.sent[sent:]] == [None]
    with pytest.raises(AccountDisabled):
        await service.sign_in()


async def test_an_unknown_recipient_gets_no_mail(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """Its mail takes the same way, and is dropped at the end."""
    await service.passwords.forgot_password(email="unknown@example.com", caller=a_client())
    assert len(await service.database.rows("mails")) == 1

    assert await send() == 1

    assert [mail.to for mail in sender.sent] == [None]
    assert not await service.database.rows("mails")
    assert not await service.database.rows("mailed_tokens")
    assert await service.database.actions() == []


async def test_a_registration_is_asked_to_verify_once(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """However the registration is finished."""
    user_id = await service.user()
    await service.accounts.sync_account(user_id=user_id, caller=a_service())
    await send()

    assert [(mail.kind, mail.to) for mail in sender.sent] == [(PROOF, EMAIL)]


async def test_an_address_that_changed_at_once_is_asked_to_verify(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """What the old one was sent is no good, sent or not."""
    user_id = await service.user()
    reset = await _token(service, send, sender)
    proof = next(mail.token for mail in sender.sent if mail.kind is PROOF)
    await service.passwords.forgot_password(email=EMAIL, caller=a_client())
    service.directory.put(user_id, "new@example.com")
    await service.accounts.sync_account(user_id=user_id, caller=a_service())
    sender.sent.clear()
    await send()

    assert {(mail.kind, mail.to) for mail in sender.sent} == {
        (PROOF, "new@example.com"),
        (MailKind.EMAIL_CHANGED, EMAIL),
    }
    with pytest.raises(TokenInvalid):
        await _reset(service, reset)
    with pytest.raises(TokenInvalid):
        await service.emails.verify_email(token=proof, caller=a_client())


async def test_a_verified_address_is_reported_to_user_service(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """At once, and by the event when user-service was away."""
    user_id = await service.user()
    await send()
    service.directory.away = True
    await service.emails.verify_email(token=sender.sent[-1].token, caller=a_client())
    assert not service.directory.verified
    assert EmailVerified(user_id) in await service.database.events()
    with pytest.raises(Unavailable):
        await service.ports.report_email_verified(user_id=user_id)
    service.directory.away = False

    await service.ports.report_email_verified(user_id=user_id)

    assert service.directory.verified == [(user_id, EMAIL)]
    with pytest.raises(TokenInvalid):
        await service.emails.verify_email(token=sender.sent[-1].token, caller=a_client())


async def test_a_former_address_is_not_reported(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """The event may come late."""
    user_id = await service.user()
    await send()
    await service.emails.verify_email(token=sender.sent[-1].token, caller=a_client())
    service.directory.verified.clear()
    service.directory.put(user_id, "new@example.com")
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    await service.ports.report_email_verified(user_id=user_id)

    assert not service.directory.verified


async def test_asking_again(service: LocalService, send: SendMails, sender: FakeMailSender) -> None:
    """Gives a new token in place of the old; nothing once the address is verified."""
    user_id = await service.user()
    await send()
    caller = Caller(user_id=user_id, client_address="192.0.2.1")
    await service.emails.resend_verification(caller=caller)
    await send()
    older, newer = (mail.token for mail in sender.sent)
    with pytest.raises(TokenInvalid):
        await service.emails.verify_email(token=older, caller=a_client())
    await service.emails.verify_email(token=newer, caller=a_client())

    await service.emails.resend_verification(caller=caller)
    await send()

    assert len(sender.sent) == 2
    assert not await service.database.rows("mails")


async def test_a_mail_that_cannot_be_sent_waits_longer_and_longer(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """The same mail each time; nothing is lost."""
    await service.user()
    sender.failure = Unavailable
    for attempt in range(1, 9):
        await send()
        await send()
        assert len(sender.sent) == attempt
        service.clock.advance(wait_after(attempt))
    sender.failure = None
    await send()

    assert len({(mail.id, mail.token) for mail in sender.sent}) == 1
    assert not await service.database.rows("mails")
    await service.emails.verify_email(token=sender.sent[-1].token, caller=a_client())


async def test_a_mail_that_is_refused_for_good_is_dropped(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """There is no further attempt."""
    await service.user()
    sender.failure = Undeliverable
    await send()

    assert not await service.database.rows("mails")


async def test_erasing_drops_what_waits(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """Mails and tokens."""
    user_id = await service.user()
    await service.passwords.forgot_password(email=EMAIL, caller=a_client())
    service.directory.erase(user_id)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    assert not await service.database.rows("mails")
    assert not await service.database.rows("mailed_tokens")
    await send()
    assert not sender.sent


async def test_changing_the_password_makes_reset_tokens_useless(
    service: LocalService, send: SendMails, sender: FakeMailSender
) -> None:
    """The owner who took the account back must not lose it to an older mail."""
    user_id = await service.user()
    caller = service.signed_in(user_id, await service.sign_in())
    token = await _token(service, send, sender)
    await service.auth.change_password(old_password=PASSWORD, new_password=NEW, caller=caller)

    with pytest.raises(TokenInvalid):
        await _reset(service, token, "yet another stone")


def test_waits() -> None:
    """Doubling up to five minutes."""
    waits = [wait_after(attempts).total_seconds() for attempts in (1, 2, 3, 9, 10, 1_000)]
    assert waits == [1, 2, 4, 256, 300, 300]

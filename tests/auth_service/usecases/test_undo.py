"""Taking back what an intruder has set up, by the link in the notice about it."""

from dataclasses import replace

import pytest
import pytest_asyncio
from auth_service.domain.errors import InvalidCredentials
from auth_service.domain.mail import MailKind
from auth_service.domain.user import UserState
from chassis.errors import TokenRevoked

from tests.auth_service.local_service import EMAIL, LocalService, a_client, a_service
from tests.auth_service.usecases.test_recovery import NEW, Planted, plant


@pytest_asyncio.fixture(loop_scope="session", name="planted")
async def _planted(service: LocalService) -> Planted:
    return await plant(service)


async def _undo(service: LocalService, kind: MailKind) -> None:
    sender = await service.send_mails()
    undo = service.emails.undo_email_change
    await undo(token=sender.token(kind), caller=a_client())


@pytest.mark.parametrize(
    "kind", [MailKind.SECOND_FACTOR_ON, MailKind.PASSKEY_ADDED, MailKind.API_KEY_CREATED]
)
async def test_what_was_set_up_is_undone_by_mail(planted: Planted, kind: MailKind) -> None:
    """By the notice's link: nothing of it is left, nor a password; a mail asks for another."""
    service = planted.service
    await service.turn_on_totp(planted.intruder)
    await _undo(service, kind)

    for table in ("passkeys", "authenticators", "recovery_codes"):
        assert not await service.database.rows(table)
    with pytest.raises(TokenRevoked):
        await service.ports.verify_api_key(text=planted.key, caller=a_client())
    with pytest.raises(TokenRevoked):
        await service.auth.refresh(refresh_token=planted.refresh_token, caller=a_client())
    with pytest.raises(InvalidCredentials):
        await service.sign_in()
    entry = (await service.database.audited("auth.change_undone"))[-1]
    assert (entry.outcome, entry.details["undone"]) == ("success", kind.value)
    assert MailKind.PASSWORD_RESET in await service.database.queued()

    await planted.recover()
    await service.sign_in(password=NEW)


async def test_an_intruder_who_recovers_does_not_end_the_undo(planted: Planted) -> None:
    """The owner's link works although the intruder has moved the account to another mailbox and reset it."""
    service = planted.service
    undo_token = (await service.send_mails()).token(MailKind.PASSKEY_ADDED)
    service.directory.put(planted.user_id, "intruder@example.com", email_verified=True)
    await service.accounts.sync_account(user_id=planted.user_id, caller=a_service())
    await service.passwords.forgot_password(email="intruder@example.com", caller=a_client())
    reset = (await service.send_mails()).token(MailKind.PASSWORD_RESET)
    await service.passwords.reset_password(token=reset, new_password=NEW, caller=a_client())

    undo = service.emails.undo_email_change
    await undo(token=undo_token, caller=a_client())

    assert (await service.database.credential(planted.user_id)).email == EMAIL
    with pytest.raises(InvalidCredentials):
        await service.sign_in("intruder@example.com", NEW)


async def test_an_address_that_was_asked_for_is_given_up(planted: Planted) -> None:
    """Or asking for the mail once more would prove the intruder's address."""
    service = planted.service
    user = service.directory.users[planted.user_id].user
    assert user is not None
    asked = replace(user, pending_email="intruder@example.com", email_verified=True)
    service.directory.users[planted.user_id] = UserState(version=7, user=asked)
    await service.accounts.sync_account(user_id=planted.user_id, caller=a_service())
    await planted.recover()
    await service.ports.report_email_verified(user_id=planted.user_id)
    await service.accounts.sync_account(user_id=planted.user_id, caller=a_service())

    after = service.directory.users[planted.user_id].user
    assert after is not None
    assert (after.email, after.pending_email) == (EMAIL, None)
    assert [row.pending_email for row in await service.database.rows("credentials")] == [None]
    owner = service.signed_in(planted.user_id, await service.sign_in(password=NEW))
    await service.emails.resend_verification(caller=owner)
    assert MailKind.EMAIL_CHANGE not in await service.database.queued()

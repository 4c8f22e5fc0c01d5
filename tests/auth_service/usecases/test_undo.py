"""Taking back what an intruder has set up, by the link in the notice about it."""

from dataclasses import replace

import pytest
import pytest_asyncio
from auth_service.domain.errors import InvalidCredentials
from auth_service.domain.mail import MailKind
from auth_service.domain.user import UserState
from chassis.errors import TokenRevoked

from tests.auth_service.usecases.test_recovery import NEW, Planted, plant
from tests.auth_service.world import EMAIL, World, a_client, a_service


@pytest_asyncio.fixture(loop_scope="session", name="planted")
async def _planted(world: World) -> Planted:
    return await plant(world)


async def _undo(world: World, kind: MailKind) -> None:
    sender = await world.send_mails()
    undo = world.emails.undo_email_change
    await undo(token=sender.token(kind), caller=a_client())


@pytest.mark.parametrize(
    "kind", [MailKind.SECOND_FACTOR_ON, MailKind.PASSKEY_ADDED, MailKind.API_KEY_CREATED]
)
async def test_what_was_set_up_is_undone_by_mail(planted: Planted, kind: MailKind) -> None:
    """By the notice's link: nothing of it is left, nor a password; a mail asks for another."""
    world = planted.world
    await world.turn_on_totp(planted.intruder)
    await _undo(world, kind)

    for table in ("passkeys", "authenticators", "recovery_codes"):
        assert not await world.database.rows(table)
    with pytest.raises(TokenRevoked):
        await world.ports.verify_api_key(text=planted.key, caller=a_client())
    with pytest.raises(TokenRevoked):
        await world.auth.refresh(refresh_token=planted.refresh_token, caller=a_client())
    with pytest.raises(InvalidCredentials):
        await world.sign_in()
    entry = (await world.database.audited("auth.change_undone"))[-1]
    assert (entry.outcome, entry.details["undone"]) == ("success", kind.value)
    assert MailKind.PASSWORD_RESET in await world.database.queued()

    await planted.recover()
    await world.sign_in(password=NEW)


async def test_an_intruder_who_recovers_does_not_end_the_undo(planted: Planted) -> None:
    """The owner's link works although the intruder has moved the account to another mailbox and reset it."""
    world = planted.world
    undo_token = (await world.send_mails()).token(MailKind.PASSKEY_ADDED)
    world.directory.put(planted.user_id, "intruder@example.com", email_verified=True)
    await world.accounts.sync_account(user_id=planted.user_id, caller=a_service())
    await world.passwords.forgot_password(email="intruder@example.com", caller=a_client())
    reset = (await world.send_mails()).token(MailKind.PASSWORD_RESET)
    await world.passwords.reset_password(token=reset, new_password=NEW, caller=a_client())

    undo = world.emails.undo_email_change
    await undo(token=undo_token, caller=a_client())

    assert (await world.database.credential(planted.user_id)).email == EMAIL
    with pytest.raises(InvalidCredentials):
        await world.sign_in("intruder@example.com", NEW)


async def test_an_address_that_was_asked_for_is_given_up(planted: Planted) -> None:
    """Or asking for the mail once more would prove the intruder's address."""
    world = planted.world
    user = world.directory.users[planted.user_id].user
    assert user is not None
    asked = replace(user, pending_email="intruder@example.com", email_verified=True)
    world.directory.users[planted.user_id] = UserState(version=7, user=asked)
    await world.accounts.sync_account(user_id=planted.user_id, caller=a_service())
    await planted.recover()
    await world.ports.report_email_verified(user_id=planted.user_id)
    await world.accounts.sync_account(user_id=planted.user_id, caller=a_service())

    after = world.directory.users[planted.user_id].user
    assert after is not None
    assert (after.email, after.pending_email) == (EMAIL, None)
    assert [row.pending_email for row in await world.database.rows("credentials")] == [None]
    owner = world.signed_in(planted.user_id, await world.sign_in(password=NEW))
    await world.emails.resend_verification(caller=owner)
    assert MailKind.EMAIL_CHANGE not in await world.database.queued()

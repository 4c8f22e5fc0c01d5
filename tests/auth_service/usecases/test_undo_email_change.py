"""Undoing a change of the address, by the link in the former one's mail."""

from datetime import timedelta

import pytest
from auth_service.domain.errors import InvalidCredentials
from auth_service.domain.events import EmailVerified
from auth_service.domain.mail import MailKind
from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked, Unavailable
from chassis.identity.caller import Caller

from tests.auth_service.usecases.test_email_change import (
    ASKED,
    DONE,
    NEW,
    NEWER,
    PROOF,
    Mails,
    ask,
    forget,
    undo_change,
    verify,
)
from tests.auth_service.world import EMAIL, PASSWORD, World, a_client, a_service


@pytest.fixture(name="mails")
def _mails(world: World) -> Mails:
    return Mails(world)


@pytest.mark.parametrize("proven", [False, True])
async def test_undoing(world: World, mails: Mails, proven: bool) -> None:
    """Before and after the verification: the address is back, and the intruder is out."""
    user_id = await world.user()
    tokens = await world.sign_in()
    await ask(world, user_id)
    sent = await mails.sent()
    (_, proof), (_, undo) = sent[PROOF], sent[ASKED]
    if proven:
        await verify(world, proof)
        assert (await mails.sent())[DONE][0] == EMAIL
        await forget(world, NEW)
        await mails.sent()

    await undo_change(world, undo)

    user = world.directory.users[user_id].user
    assert user is not None
    assert (user.email, user.email_verified, user.pending_email) == (EMAIL, True, None)
    with pytest.raises(TokenRevoked):
        await world.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    for email in (EMAIL, NEW):
        with pytest.raises(InvalidCredentials):
            await world.auth.login(email=email, password=PASSWORD, caller=a_client())
    for token in (undo, proof):
        with pytest.raises(TokenInvalid):
            await undo_change(world, token)
        with pytest.raises(TokenInvalid):
            await verify(world, token)
    to, reset = (await mails.sent())[MailKind.PASSWORD_RESET]
    assert to == EMAIL
    await world.passwords.reset_password(token=reset, new_password="another stone lamp", caller=a_client())
    await world.sign_in(password="another stone lamp")
    assert ("auth.change_undone", "success") in await world.database.actions()


async def test_every_notice_undoes_its_own_change(world: World, mails: Mails) -> None:
    """An intruder who changes the address twice is out by the first link, and has none of his own."""
    user_id = await world.user()
    await ask(world, user_id, NEW)
    sent = await mails.sent()
    (_, proof), (_, undo) = sent[PROOF], sent[ASKED]
    await verify(world, proof)
    await mails.sent()
    await ask(world, user_id, NEWER, NEW)
    sent = await mails.sent()
    (_, proof), (to, intruders) = sent[PROOF], sent[ASKED]
    assert to == NEW
    await verify(world, proof)

    await undo_change(world, undo)

    user = world.directory.users[user_id].user
    assert user is not None
    assert user.email == EMAIL
    with pytest.raises(TokenInvalid):
        await undo_change(world, intruders)


async def test_a_week(world: World, mails: Mails) -> None:
    """Then the link has expired."""
    user_id = await world.user()
    await ask(world, user_id)
    _, undo = (await mails.sent())[ASKED]
    world.clock.advance(timedelta(days=7) - timedelta(seconds=1))
    await world.emails.resend_verification(caller=Caller(user_id=user_id))
    world.clock.advance(timedelta(seconds=1))

    with pytest.raises(TokenExpired):
        await undo_change(world, undo)
    assert (await world.database.actions())[-1] == ("auth.change_undone", "refused")


async def test_undoing_while_user_service_is_away(world: World, mails: Mails) -> None:
    """The account is its owner's at once; the event restores the address there as well."""
    user_id = await world.user()
    await ask(world, user_id)
    sent = await mails.sent()
    (_, proof), (_, undo) = sent[PROOF], sent[ASKED]
    await verify(world, proof)
    world.directory.away = True
    await undo_change(world, undo)
    await forget(world, EMAIL)
    assert (await mails.sent())[MailKind.PASSWORD_RESET][0] == EMAIL
    with pytest.raises(Unavailable):
        await world.accounts.sync_account(user_id=user_id, caller=a_service())
    world.directory.away = False
    assert EmailVerified(user_id) in await world.database.events()

    await world.ports.report_email_verified(user_id=user_id)

    user = world.directory.users[user_id].user
    assert user is not None
    assert user.email == EMAIL
    await world.accounts.sync_account(user_id=user_id, caller=a_service())
    assert DONE not in await mails.sent()


async def test_an_admin_vouches(world: World, mails: Mails) -> None:
    """The address counts at once, needs no proof, and the former one can undo it."""
    user_id = await world.user()
    await mails.sent()
    world.directory.put(user_id, NEW, email_verified=True)
    await world.accounts.sync_account(user_id=user_id, caller=a_service())
    sent = await mails.sent()

    assert {kind: to for kind, (to, _) in sent.items()} == {DONE: EMAIL}
    await undo_change(world, sent[DONE][1])
    assert (await mails.sent())[MailKind.PASSWORD_RESET][0] == EMAIL

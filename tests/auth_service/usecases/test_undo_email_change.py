"""Undoing a change of the address, by the link in the former one's mail."""

from datetime import timedelta

import pytest
from auth_service.domain.errors import InvalidCredentials
from auth_service.domain.events import EmailVerified
from auth_service.domain.mail import MailKind
from chassis.errors import TokenExpired, TokenInvalid, TokenRevoked, Unavailable
from chassis.identity.caller import Caller

from tests.auth_service.local_service import EMAIL, PASSWORD, LocalService, a_client, a_service
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


@pytest.fixture(name="mails")
def _mails(service: LocalService) -> Mails:
    return Mails(service)


@pytest.mark.parametrize("proven", [False, True])
async def test_undoing(service: LocalService, mails: Mails, proven: bool) -> None:
    """Before and after the verification: the address is back, and the intruder is out."""
    user_id = await service.user()
    tokens = await service.sign_in()
    await ask(service, user_id)
    sent = await mails.sent()
    (_, proof), (_, undo) = sent[PROOF], sent[ASKED]
    if proven:
        await verify(service, proof)
        assert (await mails.sent())[DONE][0] == EMAIL
        await forget(service, NEW)
        await mails.sent()

    await undo_change(service, undo)

    user = service.directory.users[user_id].user
    assert user is not None
    assert (user.email, user.email_verified, user.pending_email) == (EMAIL, True, None)
    with pytest.raises(TokenRevoked):
        await service.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    for email in (EMAIL, NEW):
        with pytest.raises(InvalidCredentials):
            await service.auth.login(email=email, password=PASSWORD, caller=a_client())
    for token in (undo, proof):
        with pytest.raises(TokenInvalid):
            await undo_change(service, token)
        with pytest.raises(TokenInvalid):
            await verify(service, token)
    to, reset = (await mails.sent())[MailKind.PASSWORD_RESET]
    assert to == EMAIL
    await service.passwords.reset_password(token=reset, new_password="another stone lamp", caller=a_client())
    await service.sign_in(password="another stone lamp")
    assert ("auth.change_undone", "success") in await service.database.actions()


async def test_every_notice_undoes_its_own_change(service: LocalService, mails: Mails) -> None:
    """An intruder who changes the address twice is out by the first link, and has none of his own."""
    user_id = await service.user()
    await ask(service, user_id, NEW)
    sent = await mails.sent()
    (_, proof), (_, undo) = sent[PROOF], sent[ASKED]
    await verify(service, proof)
    await mails.sent()
    await ask(service, user_id, NEWER, NEW)
    sent = await mails.sent()
    (_, proof), (to, intruders) = sent[PROOF], sent[ASKED]
    assert to == NEW
    await verify(service, proof)

    await undo_change(service, undo)

    user = service.directory.users[user_id].user
    assert user is not None
    assert user.email == EMAIL
    with pytest.raises(TokenInvalid):
        await undo_change(service, intruders)


async def test_a_week(service: LocalService, mails: Mails) -> None:
    """Then the link has expired."""
    user_id = await service.user()
    await ask(service, user_id)
    _, undo = (await mails.sent())[ASKED]
    service.clock.advance(timedelta(days=7) - timedelta(seconds=1))
    await service.emails.resend_verification(caller=Caller(user_id=user_id))
    service.clock.advance(timedelta(seconds=1))

    with pytest.raises(TokenExpired):
        await undo_change(service, undo)
    assert (await service.database.actions())[-1] == ("auth.change_undone", "refused")


async def test_undoing_while_user_service_is_away(service: LocalService, mails: Mails) -> None:
    """The account is its owner's at once; the event restores the address there as well."""
    user_id = await service.user()
    await ask(service, user_id)
    sent = await mails.sent()
    (_, proof), (_, undo) = sent[PROOF], sent[ASKED]
    await verify(service, proof)
    service.directory.away = True
    await undo_change(service, undo)
    await forget(service, EMAIL)
    assert (await mails.sent())[MailKind.PASSWORD_RESET][0] == EMAIL
    with pytest.raises(Unavailable):
        await service.accounts.sync_account(user_id=user_id, caller=a_service())
    service.directory.away = False
    assert EmailVerified(user_id) in await service.database.events()

    await service.ports.report_email_verified(user_id=user_id)

    user = service.directory.users[user_id].user
    assert user is not None
    assert user.email == EMAIL
    await service.accounts.sync_account(user_id=user_id, caller=a_service())
    assert DONE not in await mails.sent()


async def test_an_admin_vouches(service: LocalService, mails: Mails) -> None:
    """The address counts at once, needs no proof, and the former one can undo it."""
    user_id = await service.user()
    await mails.sent()
    service.directory.put(user_id, NEW, email_verified=True)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())
    sent = await mails.sent()

    assert {kind: to for kind, (to, _) in sent.items()} == {DONE: EMAIL}
    await undo_change(service, sent[DONE][1])
    assert (await mails.sent())[MailKind.PASSWORD_RESET][0] == EMAIL

"""What admins do about the accounts of others."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from auth_service.domain.errors import EmailTaken, InvalidCredentials
from auth_service.domain.mail import INVITATION_LIFETIME, MailKind
from auth_service.domain.second_factor import Challenge
from auth_service.domain.tokens import Tokens
from chassis.errors import Forbidden, NotFound, TokenExpired, TokenInvalid, TokenRevoked, Unavailable
from chassis.idempotency.record import IdempotencyRecord
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.local_service import NAME, PASSWORD, LocalService, a_client, a_service

NEW = "another stone lamp"
BOB = "bob@example.com"


@pytest_asyncio.fixture(loop_scope="session", name="admin")
async def _admin(service: LocalService) -> Caller:
    user_id = await service.user(role=Role.ADMIN, proven=True)
    return service.signed_in(user_id, await service.sign_in())


async def _invite(
    service: LocalService,
    admin: Caller,
    *,
    role: Role = Role.USER,
    idempotency: IdempotencyRecord | None = None,
) -> UUID:
    invite = service.user_access.invite_user
    return (await invite(email=BOB, full_name=NAME, role=role, caller=admin, idempotency=idempotency)).user_id


async def test_an_invited_user_chooses_a_password(service: LocalService, admin: Caller) -> None:
    """By the link, once; that proves the address. Actor and subject are on the record."""
    bob = await _invite(service, admin, role=Role.ADMIN)
    entry = (await service.database.audited())[-1]
    assert (entry.action, entry.actor_id, entry.subject_id) == ("auth.user_invited", admin.user_id, bob)
    sender = await service.send_mails()
    assert [mail.kind for mail in sender.sent if mail.to == BOB] == [MailKind.INVITATION]

    token = sender.token(MailKind.INVITATION)
    reset = service.passwords.reset_password
    await reset(token=token, new_password=NEW, caller=a_client())
    tokens = await service.sign_in(BOB, NEW)

    assert tokens.role is Role.ADMIN
    assert (await service.database.credential(bob)).email_verified
    with pytest.raises(TokenInvalid):
        await reset(token=token, new_password=NEW, caller=a_client())


async def test_no_sign_in_before_the_invitation_is_accepted(service: LocalService, admin: Caller) -> None:
    """The same answer, for the same work, as a wrong password."""
    await _invite(service, admin)
    service.hasher.verified.clear()
    for password in ("", PASSWORD, "None"):
        with pytest.raises(InvalidCredentials):
            await service.sign_in(BOB, password)

    assert len(service.hasher.verified) == 3
    assert None not in service.hasher.verified


async def test_a_lost_invitation(service: LocalService, admin: Caller) -> None:
    """It ends after a week; asking for a new password works all the time, and ends the invitation."""
    await _invite(service, admin)
    invitation = (await service.send_mails()).token(MailKind.INVITATION)
    service.clock.advance(INVITATION_LIFETIME - timedelta(minutes=1))
    await service.passwords.forgot_password(email=BOB, caller=a_client())
    token = (await service.send_mails()).token(MailKind.PASSWORD_RESET)
    await service.passwords.reset_password(token=token, new_password=NEW, caller=a_client())

    with pytest.raises(TokenInvalid):
        await service.passwords.reset_password(token=invitation, new_password=PASSWORD, caller=a_client())
    await service.sign_in(BOB, NEW)


async def test_an_invitation_expires(service: LocalService, admin: Caller) -> None:
    """And says so."""
    await _invite(service, admin)
    token = (await service.send_mails()).token(MailKind.INVITATION)
    service.clock.advance(INVITATION_LIFETIME)

    with pytest.raises(TokenExpired):
        await service.passwords.reset_password(token=token, new_password=NEW, caller=a_client())


async def test_a_taken_address(service: LocalService, admin: Caller) -> None:
    """An admin gets an error, and it is audited; two concurrent invitations create one user."""
    outcomes = await asyncio.gather(_invite(service, admin), _invite(service, admin), return_exceptions=True)
    assert len({each for each in outcomes if isinstance(each, UUID)}) == 1
    with pytest.raises(EmailTaken):
        await _invite(service, admin)

    assert (await service.database.actions())[-1] == ("auth.user_invited", "refused")
    assert len(await service.database.rows("credentials")) == 2


async def test_an_invitation_that_was_cut_off(service: LocalService, admin: Caller) -> None:
    """Is taken up by the next one, or by the event; there is one user and one mail."""
    service.directory.away = True
    with pytest.raises(Unavailable):
        await _invite(service, admin)
    service.directory.away = False
    bob = await _invite(service, admin)

    await service.accounts.sync_account(user_id=bob, caller=a_service())
    kinds = await service.database.queued(bob)
    assert kinds == [MailKind.INVITATION]


async def test_an_invitation_finished_by_the_event(service: LocalService, admin: Caller) -> None:
    """user-service admits the user although the call died: the invitation goes out all the same."""
    service.directory.away = True
    with pytest.raises(Unavailable):
        await _invite(service, admin)
    service.directory.away = False
    (bob,) = {row.user_id for row in await service.database.rows("credentials")} - {admin.user_id}
    await service.directory.admit(bob)
    await service.accounts.sync_account(user_id=bob, caller=a_service())

    assert await service.database.queued(bob) == [MailKind.INVITATION]


async def test_an_invitation_made_again_by_its_key(service: LocalService, admin: Caller) -> None:
    """Answers with the same user."""
    idempotency = IdempotencyRecord(attempt_id=uuid7(), fingerprint=b"")
    assert await _invite(service, admin, idempotency=idempotency) == await _invite(
        service, admin, idempotency=idempotency
    )


async def test_anothers_sessions(service: LocalService, admin: Caller) -> None:
    """Listed in pages; ended with their tokens, audited, reported by mail once."""
    bob = await service.user(BOB)
    tokens = [await service.sign_in(BOB) for _ in range(3)]
    access = service.user_access
    listed, total = await access.list_user_sessions(user_id=bob, below=None, offset=0, limit=2, caller=admin)
    older, _ = await access.list_user_sessions(
        user_id=bob, below=listed[-1].id, offset=0, limit=2, caller=admin
    )
    assert (len(listed), len(older), total) == (2, 1, 3)
    assert older[0].id < listed[-1].id < listed[0].id
    assert (await service.database.actions())[-1] == ("auth.user_sessions_read", "success")

    for _ in range(2):
        await access.end_user_sessions(user_id=bob, caller=admin)

    for each in tokens:
        with pytest.raises(TokenRevoked):
            await service.auth.refresh(refresh_token=each.refresh_token, caller=a_client())
    entry = (await service.database.audited())[-1]
    assert (entry.action, entry.actor_id, entry.subject_id) == (
        "auth.user_sessions_ended",
        admin.user_id,
        bob,
    )
    mails = await service.database.queued(bob)
    assert mails.count(MailKind.SESSIONS_ENDED) == 1
    assert isinstance(await service.sign_in(BOB), Tokens)


async def test_anothers_second_factor(service: LocalService, admin: Caller) -> None:
    """Removed, with a sign-in that waits for its code; the user signs in with the password alone."""
    bob = await service.user(BOB, proven=True)
    caller = service.signed_in(bob, await service.sign_in(BOB))
    step = int(service.clock.now().timestamp()) // 30
    await service.mfa.begin_totp(caller=caller)
    await service.mfa.confirm_totp(code=str(step - 1), caller=caller)
    pending = await service.auth.login(email=BOB, password=PASSWORD, caller=a_client())
    assert isinstance(pending, Challenge)
    remove = service.user_access.remove_user_mfa

    await remove(user_id=bob, caller=admin)

    assert isinstance(await service.sign_in(BOB), Tokens)
    with pytest.raises(TokenInvalid):
        await service.mfa.verify_mfa(mfa_token=pending.token, code=str(step), caller=a_client())
    assert MailKind.SECOND_FACTOR_REMOVED in await service.database.queued()
    assert ("auth.user_mfa_removed", "success") in await service.database.actions()
    with pytest.raises(NotFound):
        await remove(user_id=bob, caller=admin)


async def test_unknown_users(service: LocalService, admin: Caller) -> None:
    """Unknown users are not found, nor are those who wait to be admitted."""
    access = service.user_access
    service.directory.away = True
    with pytest.raises(Unavailable):
        await _invite(service, admin)
    (pending,) = {row.user_id for row in await service.database.rows("credentials")} - {admin.user_id}
    for user_id in (uuid7(), pending):
        for call in (
            access.list_user_sessions(user_id=user_id, below=None, offset=0, limit=21, caller=admin),
            access.end_user_sessions(user_id=user_id, caller=admin),
            access.remove_user_mfa(user_id=user_id, caller=admin),
        ):
            with pytest.raises(NotFound):
                await call


async def test_ones_own_second_factor(service: LocalService, admin: Caller) -> None:
    """Is not turned off so: there the password is asked."""
    with pytest.raises(Forbidden):
        await service.user_access.remove_user_mfa(user_id=admin.require_user_id(), caller=admin)

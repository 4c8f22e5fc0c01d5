"""What admins do about the accounts of others."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from auth_service.domain.errors import EmailTaken, InvalidCredentials
from auth_service.domain.events import TokensRevoked as RevocationEvent
from auth_service.domain.idempotency import IdempotencyRecord
from auth_service.domain.mail import INVITATION_LIFETIME, MailKind
from auth_service.domain.second_factor import Challenge
from auth_service.domain.session import ACCESS_LIFETIME
from auth_service.domain.tokens import Tokens
from auth_service.domain.user import Role
from chassis.errors import Forbidden, NotFound, TokenExpired, TokenInvalid, TokenRevoked, Unavailable
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from tests.auth_service.world import NAME, PASSWORD, World, a_client, a_service

NEW = "another stone lamp"
BOB = "bob@example.com"


@pytest_asyncio.fixture(loop_scope="session", name="admin")
async def _admin(world: World) -> Caller:
    user_id = await world.user(role=Role.ADMIN, proven=True)
    return world.signed_in(user_id, await world.sign_in())


async def _invite(
    world: World, admin: Caller, *, role: Role = Role.USER, idempotency: IdempotencyRecord | None = None
) -> UUID:
    invite = world.user_access.invite_user
    return (await invite(email=BOB, full_name=NAME, role=role, caller=admin, idempotency=idempotency)).user_id


async def test_an_invited_user_chooses_a_password(world: World, admin: Caller) -> None:
    """By the link, once; that proves the address. Actor and subject are on the record."""
    bob = await _invite(world, admin, role=Role.ADMIN)
    entry = (await world.database.audited())[-1]
    assert (entry.action, entry.actor_id, entry.subject_id) == ("auth.user_invited", admin.user_id, bob)
    sender = await world.send_mails()
    assert [mail.kind for mail in sender.sent if mail.to == BOB] == [MailKind.INVITATION]

    token = sender.token(MailKind.INVITATION)
    reset = world.passwords.reset_password
    await reset(token=token, new_password=NEW, caller=a_client())
    tokens = await world.sign_in(BOB, NEW)

    assert tokens.role is Role.ADMIN
    assert (await world.database.credential(bob)).email_verified
    with pytest.raises(TokenInvalid):
        await reset(token=token, new_password=NEW, caller=a_client())


async def test_no_sign_in_before_the_invitation_is_accepted(world: World, admin: Caller) -> None:
    """The same answer, for the same work, as a wrong password."""
    await _invite(world, admin)
    world.hasher.verified.clear()
    for password in ("", PASSWORD, "None"):
        with pytest.raises(InvalidCredentials):
            await world.sign_in(BOB, password)

    assert len(world.hasher.verified) == 3
    assert None not in world.hasher.verified


async def test_a_lost_invitation(world: World, admin: Caller) -> None:
    """It ends after a week; asking for a new password works all the time, and ends the invitation."""
    await _invite(world, admin)
    invitation = (await world.send_mails()).token(MailKind.INVITATION)
    world.clock.advance(INVITATION_LIFETIME - timedelta(minutes=1))
    await world.passwords.forgot_password(email=BOB, caller=a_client())
    token = (await world.send_mails()).token(MailKind.PASSWORD_RESET)
    await world.passwords.reset_password(token=token, new_password=NEW, caller=a_client())

    with pytest.raises(TokenInvalid):
        await world.passwords.reset_password(token=invitation, new_password=PASSWORD, caller=a_client())
    await world.sign_in(BOB, NEW)


async def test_an_invitation_expires(world: World, admin: Caller) -> None:
    """And says so."""
    await _invite(world, admin)
    token = (await world.send_mails()).token(MailKind.INVITATION)
    world.clock.advance(INVITATION_LIFETIME)

    with pytest.raises(TokenExpired):
        await world.passwords.reset_password(token=token, new_password=NEW, caller=a_client())


async def test_a_taken_address(world: World, admin: Caller) -> None:
    """An admin gets an error, and it is audited; two concurrent invitations create one user."""
    outcomes = await asyncio.gather(_invite(world, admin), _invite(world, admin), return_exceptions=True)
    assert len({each for each in outcomes if isinstance(each, UUID)}) == 1
    with pytest.raises(EmailTaken):
        await _invite(world, admin)

    assert (await world.database.actions())[-1] == ("auth.user_invited", "refused")
    assert len(await world.database.rows("credentials")) == 2


async def test_an_invitation_that_was_cut_off(world: World, admin: Caller) -> None:
    """Is taken up by the next one, or by the event; there is one user and one mail."""
    world.directory.away = True
    with pytest.raises(Unavailable):
        await _invite(world, admin)
    world.directory.away = False
    bob = await _invite(world, admin)

    await world.accounts.sync_account(user_id=bob, caller=a_service())
    kinds = await world.database.queued(bob)
    assert kinds == [MailKind.INVITATION]


async def test_an_invitation_finished_by_the_event(world: World, admin: Caller) -> None:
    """user-service admits the user although the call died: the invitation goes out all the same."""
    world.directory.away = True
    with pytest.raises(Unavailable):
        await _invite(world, admin)
    world.directory.away = False
    (bob,) = {row.user_id for row in await world.database.rows("credentials")} - {admin.user_id}
    await world.directory.admit(bob)
    await world.accounts.sync_account(user_id=bob, caller=a_service())

    assert await world.database.queued(bob) == [MailKind.INVITATION]


async def test_an_invitation_made_again_by_its_key(world: World, admin: Caller) -> None:
    """Answers with the same user."""
    idempotency = IdempotencyRecord(attempt_id=uuid7(), fingerprint=b"")
    assert await _invite(world, admin, idempotency=idempotency) == await _invite(
        world, admin, idempotency=idempotency
    )


async def test_anothers_sessions(world: World, admin: Caller) -> None:
    """Listed in pages; ended with their tokens, audited, reported by mail once."""
    bob = await world.user(BOB)
    tokens = [await world.sign_in(BOB) for _ in range(3)]
    access = world.user_access
    page = await access.list_user_sessions(user_id=bob, page=2, page_size=2, caller=admin)
    assert (len(page.sessions), page.total) == (1, 3)
    assert (await world.database.actions())[-1] == ("auth.user_sessions_read", "success")

    for _ in range(2):
        await access.end_user_sessions(user_id=bob, caller=admin)

    for each in tokens:
        with pytest.raises(TokenRevoked):
            await world.auth.refresh(refresh_token=each.refresh_token, caller=a_client())
    entry = (await world.database.audited())[-1]
    assert (entry.action, entry.actor_id, entry.subject_id) == (
        "auth.user_sessions_ended",
        admin.user_id,
        bob,
    )
    mails = await world.database.queued(bob)
    assert mails.count(MailKind.SESSIONS_ENDED) == 1
    assert isinstance(await world.sign_in(BOB), Tokens)


async def test_anothers_second_factor(world: World, admin: Caller) -> None:
    """Removed, with a sign-in that waits for its code; the user signs in with the password alone."""
    bob = await world.user(BOB, proven=True)
    caller = world.signed_in(bob, await world.sign_in(BOB))
    step = int(world.clock.now().timestamp()) // 30
    await world.mfa.begin_totp(caller=caller)
    await world.mfa.confirm_totp(code=str(step - 1), caller=caller)
    pending = await world.auth.login(email=BOB, password=PASSWORD, caller=a_client())
    assert isinstance(pending, Challenge)
    remove = world.user_access.remove_user_mfa

    await remove(user_id=bob, caller=admin)

    assert isinstance(await world.sign_in(BOB), Tokens)
    with pytest.raises(TokenInvalid):
        await world.mfa.verify_mfa(mfa_token=pending.token, code=str(step), caller=a_client())
    assert MailKind.SECOND_FACTOR_REMOVED in await world.database.queued()
    assert ("auth.user_mfa_removed", "success") in await world.database.actions()
    with pytest.raises(NotFound):
        await remove(user_id=bob, caller=admin)


async def test_unknown_users(world: World, admin: Caller) -> None:
    """Unknown users are not found, nor are those who wait to be admitted."""
    access = world.user_access
    world.directory.away = True
    with pytest.raises(Unavailable):
        await _invite(world, admin)
    (pending,) = {row.user_id for row in await world.database.rows("credentials")} - {admin.user_id}
    for user_id in (uuid7(), pending):
        for call in (
            access.list_user_sessions(user_id=user_id, page=1, page_size=20, caller=admin),
            access.end_user_sessions(user_id=user_id, caller=admin),
            access.remove_user_mfa(user_id=user_id, caller=admin),
        ):
            with pytest.raises(NotFound):
                await call


async def test_ones_own_second_factor(world: World, admin: Caller) -> None:
    """Is not turned off so: there the password is asked."""
    with pytest.raises(Forbidden):
        await world.user_access.remove_user_mfa(user_id=admin.person(), caller=admin)


async def test_everybodys_sessions(world: World, admin: Caller) -> None:
    """End by one revocation that names none of them, and one after; the caller's goes on."""
    await world.user(BOB)
    bobs, other = await world.sign_in(BOB), await world.sign_in()
    events = len(await world.database.events())
    end_all = world.user_access.end_all_sessions
    await end_all(caller=admin)

    for tokens in (bobs, other):
        with pytest.raises(TokenRevoked):
            await world.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    revoked = [each for each in (await world.database.events())[events:] if isinstance(each, RevocationEvent)]
    assert [(each.revocation.every_session, each.revocation.kept_session_id) for each in revoked] == [
        (True, admin.session_id)
    ] * 2
    async with world.units.statements() as unit:
        assert await unit.sessions.is_open(admin.session_id, admin.person())  # type: ignore[arg-type]
        assert await unit.revocations.unended() == []
    assert ("auth.all_sessions_ended", "success") in await world.database.actions()
    assert isinstance(await world.sign_in(BOB), Tokens)


async def test_everybodys_sessions_are_named_to_the_release_before(world: World, admin: Caller) -> None:
    """It knows no revocation of every session: those with a living token are revoked one by one as well."""
    await world.user(BOB)
    await world.sign_in(BOB)
    world.clock.advance(ACCESS_LIFETIME + timedelta(minutes=5))
    await world.sign_in(BOB)
    events = len(await world.database.events())
    await replace(world.user_access.end_all_sessions, names_each=True)(caller=admin)

    revoked = [each for each in (await world.database.events())[events:] if isinstance(each, RevocationEvent)]
    assert [each.revocation.every_session for each in revoked] == [True, False, True]
    assert revoked[1].revocation.session_id not in (None, admin.session_id)


async def test_everybodys_sessions_after_a_crash(world: World, admin: Caller) -> None:
    """A call that died after its revocation is finished; sessions opened since stay."""
    await world.user(BOB)
    bobs = await world.sign_in(BOB)
    assert admin.session_id is not None
    async with world.units.transaction() as unit:
        await unit.revocations.of_every_session(admin.session_id, sessions_ended=False)
    world.clock.advance(timedelta(seconds=1))
    newer = await world.sign_in(BOB)
    finish = world.user_access.end_all_sessions.finish

    assert (await finish(), await finish()) == (1, 0)

    with pytest.raises(TokenRevoked):
        await world.auth.refresh(refresh_token=bobs.refresh_token, caller=a_client())
    await world.auth.refresh(refresh_token=newer.refresh_token, caller=a_client())


async def test_a_key_does_not_end_everybodys_sessions(world: World, admin: Caller) -> None:
    """Only a session does: it is the one that goes on."""
    with pytest.raises(Forbidden):
        await world.user_access.end_all_sessions(caller=Caller(user_id=admin.user_id, role="admin"))

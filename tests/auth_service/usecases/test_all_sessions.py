"""Ending the sessions of all users but the caller's."""

import asyncio
from datetime import timedelta

import pytest
import pytest_asyncio
from auth_service.domain.events import TokensRevoked as RevocationEvent
from auth_service.domain.session import ACCESS_LIFETIME
from auth_service.domain.tokens import Tokens
from auth_service.usecases.sessions import EndAllSessions
from chassis.errors import Forbidden, TokenRevoked
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.local_service import LocalService, a_client

BOB = "bob@example.com"


@pytest_asyncio.fixture(loop_scope="session", name="admin")
async def _admin(service: LocalService) -> Caller:
    user_id = await service.user(role=Role.ADMIN, proven=True)
    return service.signed_in(user_id, await service.sign_in())


async def test_everybodys_sessions(service: LocalService, admin: Caller) -> None:
    """End by one revocation that names none of them, and one after; the caller's goes on."""
    await service.user(BOB)
    bobs, other = await service.sign_in(BOB), await service.sign_in()
    events = len(await service.database.events())
    end_all = service.user_access.end_all_sessions
    await end_all(caller=admin)

    for tokens in (bobs, other):
        with pytest.raises(TokenRevoked):
            await service.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    revoked = [
        each for each in (await service.database.events())[events:] if isinstance(each, RevocationEvent)
    ]
    assert [(each.revocation.every_session, each.revocation.kept_session_id) for each in revoked] == [
        (True, admin.session_id)
    ] * 2
    async with service.units.statements() as unit:
        assert await unit.sessions.is_open(admin.session_id, admin.require_user_id())  # type: ignore[arg-type]
        assert await unit.revocations.unended() == []
    assert ("auth.all_sessions_ended", "success") in await service.database.actions()
    assert isinstance(await service.sign_in(BOB), Tokens)


async def test_a_session_that_was_being_opened(service: LocalService, admin: Caller) -> None:
    """A sign-in that began before the revocation and commits after it ends with the others."""
    await service.user(BOB)
    await service.sign_in(BOB)
    opened = uuid7()
    async with service.database.pool.transaction() as sign_in:
        await sign_in.execute(
            """
            INSERT INTO auth.sessions (id, user_id, rotated_at, created_at, last_used_at, expires_at, ip,
                                       user_agent, by_passkey, auth_time, amr)
            SELECT $1, user_id, rotated_at, created_at, last_used_at, expires_at, ip, user_agent, by_passkey,
                   auth_time, amr
              FROM auth.sessions ORDER BY created_at DESC LIMIT 1
            """,
            opened,
        )
        ending = asyncio.create_task(service.user_access.end_all_sessions(caller=admin))
        done, _ = await asyncio.wait({ending}, timeout=0.5)
        assert not done, "it waits for the sign-in"
    await ending

    assert (await service.database.session(opened)).ended_at is not None


async def test_everybodys_sessions_are_named_to_the_release_before(
    service: LocalService, admin: Caller
) -> None:
    """It knows no revocation of every session: those with a living token are revoked one by one as well."""
    await service.user(BOB)
    await service.sign_in(BOB)
    service.clock.advance(ACCESS_LIFETIME + timedelta(minutes=5))
    await service.sign_in(BOB)
    events = len(await service.database.events())
    known = service.user_access.end_all_sessions
    await EndAllSessions(known.units, known.clock, names_each=True)(caller=admin)

    revoked = [
        each for each in (await service.database.events())[events:] if isinstance(each, RevocationEvent)
    ]
    assert [each.revocation.every_session for each in revoked] == [True, False, True]
    assert revoked[1].revocation.session_id not in (None, admin.session_id)


async def test_everybodys_sessions_after_a_crash(service: LocalService, admin: Caller) -> None:
    """A call that died after its revocation is finished; sessions opened since stay."""
    await service.user(BOB)
    bobs = await service.sign_in(BOB)
    assert admin.session_id is not None
    async with service.units.transaction() as unit:
        await unit.revocations.of_every_session(admin.session_id, sessions_ended=False)
    service.clock.advance(timedelta(seconds=1))
    newer = await service.sign_in(BOB)
    finish = service.user_access.end_all_sessions.finish

    assert (await finish(), await finish()) == (1, 0)

    with pytest.raises(TokenRevoked):
        await service.auth.refresh(refresh_token=bobs.refresh_token, caller=a_client())
    await service.auth.refresh(refresh_token=newer.refresh_token, caller=a_client())


async def test_a_key_does_not_end_everybodys_sessions(service: LocalService, admin: Caller) -> None:
    """Only a session does: it is the one that goes on."""
    with pytest.raises(Forbidden):
        await service.user_access.end_all_sessions(caller=Caller(user_id=admin.user_id, role=Role.ADMIN))

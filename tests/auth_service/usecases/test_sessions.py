"""Seeing and ending sessions."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from auth_service.domain.events import TokensRevoked
from chassis.errors import Forbidden, NotFound, TokenRevoked, Unauthenticated
from chassis.identity.caller import Caller
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.local_service import LocalService, a_client
from tests.chassis.waiting import until


async def test_open_sessions_are_listed_the_newest_first(service: LocalService) -> None:
    """One's own, and only open ones."""
    user_id = await service.user()
    await service.user("bob@example.com")
    first = await service.sign_in()
    service.clock.advance(timedelta(minutes=1))
    second = await service.sign_in()
    await service.sign_in("bob@example.com")
    ended = await service.sign_in()
    await service.auth.logout(caller=service.signed_in(user_id, ended))

    listed = await service.sessions.list_sessions(caller=service.signed_in(user_id, first))

    assert [each.id for each in listed] == [service.session_of(second), service.session_of(first)]


async def test_logging_out_ends_this_session(service: LocalService) -> None:
    """Its tokens are taken back; doing it twice is doing it once."""
    user_id = await service.user()
    here, elsewhere = await service.sign_in(), await service.sign_in()
    caller = service.signed_in(user_id, here)

    await service.auth.logout(caller=caller)
    await service.auth.logout(caller=caller)

    (revocation,) = await service.database.revocations()
    assert revocation.session_id == service.session_of(here)
    assert TokensRevoked(revocation) in await service.database.events()
    with pytest.raises(TokenRevoked):
        await service.auth.refresh(refresh_token=here.refresh_token, caller=a_client())
    await service.auth.refresh(refresh_token=elsewhere.refresh_token, caller=a_client())
    assert (await service.database.actions()).count(("auth.logout", "success")) == 1


async def test_logging_out_everywhere_ends_all(service: LocalService) -> None:
    """One entry refuses every access token of the user."""
    user_id = await service.user()
    everywhere = [await service.sign_in() for _ in range(3)]

    await service.auth.logout_all(caller=service.signed_in(user_id, everywhere[0]))

    assert [each.user_id for each in await service.database.revocations()] == [user_id]
    for tokens in everywhere:
        with pytest.raises(TokenRevoked):
            await service.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    await service.sign_in()


async def test_only_ones_own_session_can_be_ended(service: LocalService) -> None:
    """Another's, an unknown one and an ended one are all not found."""
    user_id = await service.user()
    await service.user("bob@example.com")
    mine, bobs = await service.sign_in(), await service.sign_in("bob@example.com")
    caller = service.signed_in(user_id, mine)

    for session_id in (service.session_of(bobs), uuid7()):
        with pytest.raises(NotFound):
            await service.sessions.end_session(session_id=session_id, caller=caller)
    await service.sessions.end_session(session_id=service.session_of(mine), caller=caller)
    with pytest.raises(NotFound):
        await service.sessions.end_session(session_id=service.session_of(mine), caller=caller)

    await service.auth.refresh(refresh_token=bobs.refresh_token, caller=a_client())
    assert (await service.database.actions())[-1] == ("auth.session_ended", "success")


async def test_a_caller_without_a_session_has_nothing_to_end(service: LocalService) -> None:
    """A caller without a user, and one with an API key."""
    with pytest.raises(Unauthenticated):
        await service.auth.logout(caller=a_client())
    with pytest.raises(Forbidden):
        await service.auth.logout(caller=Caller(user_id=uuid7(), role=Role.USER))


_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.mark.parametrize("way", ["logout", "end_session", "revoke_api_key"])
async def test_the_credential_is_locked_before_what_ends(service: LocalService, way: str) -> None:
    """As by all that ends access to an account: in another order two such calls could wait for each other."""
    user_id = await service.user(proven=True)
    tokens = await service.sign_in()
    caller, session_id = service.signed_in(user_id, tokens), service.session_of(tokens)
    key, _ = await service.api_keys.create_api_key(
        name="backup", scopes=("read",), expires_at=None, caller=caller
    )
    ways: dict[str, Callable[[], Awaitable[None]]] = {
        "logout": lambda: service.auth.logout(caller=caller),
        "end_session": lambda: service.sessions.end_session(session_id=session_id, caller=caller),
        "revoke_api_key": lambda: service.api_keys.revoke_api_key(key_id=key.id, caller=caller),
    }
    async with service.database.pool.transaction() as other:
        await other.execute("SELECT FROM auth.credentials WHERE user_id = $1 FOR UPDATE", user_id)
        ending = asyncio.ensure_future(ways[way]())
        await until(lambda: service.database.pool.fetchval(_WAITING))

        assert await other.fetchval("SELECT count(*) FROM (SELECT FROM auth.sessions FOR UPDATE NOWAIT) AS s")
        assert await other.fetchval("SELECT count(*) FROM (SELECT FROM auth.api_keys FOR UPDATE NOWAIT) AS k")
    await ending

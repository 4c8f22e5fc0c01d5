"""Seeing and ending sessions."""

from datetime import timedelta

import pytest
from auth_service.domain.events import TokensRevoked
from chassis.errors import Forbidden, NotFound, TokenRevoked, Unauthenticated
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from tests.auth_service.world import World, a_client


async def test_open_sessions_are_listed_the_newest_first(world: World) -> None:
    """One's own, and only open ones."""
    user_id = await world.user()
    await world.user("bob@example.com")
    first = await world.sign_in()
    world.clock.advance(timedelta(minutes=1))
    second = await world.sign_in()
    await world.sign_in("bob@example.com")
    ended = await world.sign_in()
    await world.auth.logout(caller=world.signed_in(user_id, ended))

    listed = await world.sessions.list_sessions(caller=world.signed_in(user_id, first))

    assert [each.id for each in listed] == [world.session_of(second), world.session_of(first)]


async def test_logging_out_ends_this_session(world: World) -> None:
    """Its tokens are taken back; doing it twice is doing it once."""
    user_id = await world.user()
    here, elsewhere = await world.sign_in(), await world.sign_in()
    caller = world.signed_in(user_id, here)

    await world.auth.logout(caller=caller)
    await world.auth.logout(caller=caller)

    (revocation,) = await world.database.revocations()
    assert revocation.session_id == world.session_of(here)
    assert TokensRevoked(revocation) in await world.database.events()
    with pytest.raises(TokenRevoked):
        await world.auth.refresh(refresh_token=here.refresh_token, caller=a_client())
    await world.auth.refresh(refresh_token=elsewhere.refresh_token, caller=a_client())
    assert (await world.database.actions()).count(("auth.logout", "success")) == 1


async def test_logging_out_everywhere_ends_all(world: World) -> None:
    """One entry refuses every access token of the user."""
    user_id = await world.user()
    everywhere = [await world.sign_in() for _ in range(3)]

    await world.auth.logout_all(caller=world.signed_in(user_id, everywhere[0]))

    assert [each.user_id for each in await world.database.revocations()] == [user_id]
    for tokens in everywhere:
        with pytest.raises(TokenRevoked):
            await world.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    await world.sign_in()


async def test_only_ones_own_session_can_be_ended(world: World) -> None:
    """Another's, an unknown one and an ended one are all not found."""
    user_id = await world.user()
    await world.user("bob@example.com")
    mine, bobs = await world.sign_in(), await world.sign_in("bob@example.com")
    caller = world.signed_in(user_id, mine)

    for session_id in (world.session_of(bobs), uuid7()):
        with pytest.raises(NotFound):
            await world.sessions.end_session(session_id=session_id, caller=caller)
    await world.sessions.end_session(session_id=world.session_of(mine), caller=caller)
    with pytest.raises(NotFound):
        await world.sessions.end_session(session_id=world.session_of(mine), caller=caller)

    await world.auth.refresh(refresh_token=bobs.refresh_token, caller=a_client())
    assert (await world.database.actions())[-1] == ("auth.session_ended", "success")


async def test_a_caller_without_a_session_has_nothing_to_end(world: World) -> None:
    """A caller without a user, and one with an API key."""
    with pytest.raises(Unauthenticated):
        await world.auth.logout(caller=a_client())
    with pytest.raises(Forbidden):
        await world.auth.logout(caller=Caller(user_id=uuid7(), role="user"))

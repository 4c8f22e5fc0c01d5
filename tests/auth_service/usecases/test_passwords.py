"""Changing a password, and checking one for another service."""

import pytest
from auth_service.domain.errors import InvalidCredentials, TooManyAttempts, WeakPassword
from chassis.errors import Invalid, TokenRevoked
from chassis.ids import uuid7

from tests.auth_service.world import PASSWORD, World, a_client, a_service

NEW = "another stone lamp"


async def test_the_new_password_counts_and_other_sessions_end(world: World) -> None:
    """Here one stays signed in."""
    user_id = await world.user()
    here, elsewhere = await world.sign_in(), await world.sign_in()

    await world.auth.change_password(
        old_password=PASSWORD, new_password=NEW, caller=world.signed_in(user_id, here)
    )

    await world.auth.refresh(refresh_token=here.refresh_token, caller=a_client())
    with pytest.raises(TokenRevoked):
        await world.auth.refresh(refresh_token=elsewhere.refresh_token, caller=a_client())
    revoked = [each.session_id for each in await world.database.revocations()]
    assert revoked == [world.session_of(elsewhere)]
    with pytest.raises(InvalidCredentials):
        await world.sign_in()
    await world.sign_in(password=NEW)
    assert ("auth.password_changed", "success") in await world.database.actions()


async def test_a_wrong_old_password_is_counted(world: World) -> None:
    """It is named on its field, and after five the client has to wait."""
    user_id = await world.user()
    caller = world.signed_in(user_id, await world.sign_in())
    for _ in range(5):
        with pytest.raises(Invalid) as caught:
            await world.auth.change_password(old_password="wrong", new_password=NEW, caller=caller)
        assert [error.field for error in caught.value.field_errors] == ["old_password"]

    with pytest.raises(TooManyAttempts):
        await world.auth.change_password(old_password=PASSWORD, new_password=NEW, caller=caller)

    assert (await world.database.actions())[-6:] == [("auth.password_refused", "refused")] * 6


async def test_a_weak_new_password_changes_nothing(world: World) -> None:
    """The name, which only user-service knows, counts as well."""
    user_id = await world.user()
    caller = world.signed_in(user_id, await world.sign_in())

    for weak in ("short", "lovelace"):
        with pytest.raises(WeakPassword) as caught:
            await world.auth.change_password(old_password=PASSWORD, new_password=weak, caller=caller)
        assert [error.field for error in caught.value.field_errors] == ["new_password"]

    await world.sign_in()


async def test_another_service_may_ask(world: World) -> None:
    """Yes or no; a wrong one counts like a sign-in's, an unknown user has none."""
    user_id = await world.user()
    check = world.accounts.verify_password

    assert await check(user_id=user_id, password=PASSWORD, caller=a_service())
    assert not await check(user_id=uuid7(), password=PASSWORD, caller=a_service())
    for _ in range(5):
        assert not await check(user_id=user_id, password="wrong", caller=a_service())
    with pytest.raises(TooManyAttempts):
        await check(user_id=user_id, password=PASSWORD, caller=a_service())

"""Changing a password, and checking one for another service."""

import pytest
from auth_service.domain.errors import InvalidCredentials, TooManyAttempts, WeakPassword
from chassis.errors import Invalid, TokenRevoked
from chassis.ids import uuid7

from tests.auth_service.local_service import PASSWORD, LocalService, a_client, a_service

NEW = "another stone lamp"


async def test_the_new_password_counts_and_other_sessions_end(service: LocalService) -> None:
    """Here one stays signed in."""
    user_id = await service.user()
    here, elsewhere = await service.sign_in(), await service.sign_in()

    await service.auth.change_password(
        old_password=PASSWORD, new_password=NEW, caller=service.signed_in(user_id, here)
    )

    await service.auth.refresh(refresh_token=here.refresh_token, caller=a_client())
    with pytest.raises(TokenRevoked):
        await service.auth.refresh(refresh_token=elsewhere.refresh_token, caller=a_client())
    revoked = [each.session_id for each in await service.database.revocations()]
    assert revoked == [service.session_of(elsewhere)]
    with pytest.raises(InvalidCredentials):
        await service.sign_in()
    await service.sign_in(password=NEW)
    assert ("auth.password_changed", "success") in await service.database.actions()


async def test_a_wrong_old_password_is_counted(service: LocalService) -> None:
    """It is named on its field, and after five the client has to wait."""
    user_id = await service.user()
    caller = service.signed_in(user_id, await service.sign_in())
    for _ in range(5):
        with pytest.raises(Invalid) as caught:
            await service.auth.change_password(old_password="wrong", new_password=NEW, caller=caller)
        assert [error.field for error in caught.value.field_errors] == ["old_password"]

    with pytest.raises(TooManyAttempts):
        await service.auth.change_password(old_password=PASSWORD, new_password=NEW, caller=caller)

    assert (await service.database.actions())[-6:] == [("auth.password_refused", "refused")] * 6


async def test_a_weak_new_password_changes_nothing(service: LocalService) -> None:
    """The name, which only user-service knows, counts as well."""
    user_id = await service.user()
    caller = service.signed_in(user_id, await service.sign_in())

    for weak in ("short", "lovelace"):
        with pytest.raises(WeakPassword) as caught:
            await service.auth.change_password(old_password=PASSWORD, new_password=weak, caller=caller)
        assert [error.field for error in caught.value.field_errors] == ["new_password"]

    await service.sign_in()


async def test_another_service_may_ask(service: LocalService) -> None:
    """Yes or no; a wrong one counts like a sign-in's, an unknown user has none."""
    user_id = await service.user()
    check = service.accounts.verify_password

    assert await check(user_id=user_id, password=PASSWORD, caller=a_service())
    assert not await check(user_id=uuid7(), password=PASSWORD, caller=a_service())
    for _ in range(5):
        assert not await check(user_id=user_id, password="wrong", caller=a_service())
    with pytest.raises(TooManyAttempts):
        await check(user_id=user_id, password=PASSWORD, caller=a_service())

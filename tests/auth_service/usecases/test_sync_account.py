"""Making credentials equal to users."""

import pytest
from auth_service.domain.errors import AccountDisabled, InvalidCredentials
from auth_service.domain.events import CopyOutdated, TokensRevoked
from chassis.errors import TokenRevoked, Unavailable
from chassis.identity.role import Role
from chassis.ids import uuid7

from tests.auth_service.local_service import EMAIL, LocalService, a_client, a_service


async def _revoked_people(service: LocalService) -> list[object]:
    events = [event for event in await service.database.events() if isinstance(event, TokensRevoked)]
    return [event.revocation.user_id for event in events]


async def test_a_new_address_is_the_one_to_sign_in_with(service: LocalService) -> None:
    """The old one is free at once."""
    user_id = await service.user()
    service.directory.put(user_id, "Countess@Example.com")

    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    await service.sign_in("countess@example.com")
    with pytest.raises(InvalidCredentials):
        await service.sign_in(EMAIL)
    assert ("auth.account_synced", "success") in await service.database.actions()
    assert not await _revoked_people(service)


async def test_a_new_role_revokes_the_access_tokens(service: LocalService) -> None:
    """The sessions go on."""
    user_id = await service.user()
    tokens = await service.sign_in()
    service.directory.put(user_id, EMAIL, role=Role.ADMIN)

    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    assert await _revoked_people(service) == [user_id]
    assert (
        await service.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    ).role is Role.ADMIN


async def test_deactivation_ends_every_session(service: LocalService) -> None:
    """Neither the sessions nor the password are good any more; reactivation gives the password back."""
    user_id = await service.user()
    tokens = await service.sign_in()
    service.directory.put(user_id, EMAIL, is_active=False)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    assert await _revoked_people(service) == [user_id]
    with pytest.raises(TokenRevoked):
        await service.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    with pytest.raises(AccountDisabled):
        await service.sign_in()

    service.directory.put(user_id, EMAIL, is_active=True)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())
    await service.sign_in()
    with pytest.raises(TokenRevoked):
        await service.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())


async def test_an_erased_user_leaves_only_ids(service: LocalService) -> None:
    """Credential, sessions and failures are deleted, tokens revoked, and the address can register again."""
    user_id = await service.user()
    await service.sign_in()
    with pytest.raises(InvalidCredentials):
        await service.sign_in(password="wrong password")
    service.directory.erase(user_id)

    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    for table in ("credentials", "sessions", "sign_in_failures"):
        assert not await service.database.rows(table)
    assert await _revoked_people(service) == [user_id]
    assert await service.user() != user_id


async def test_doing_it_twice_does_it_once(service: LocalService) -> None:
    """Call and event both come."""
    user_id = await service.user()
    service.directory.put(user_id, EMAIL, role=Role.ADMIN)
    await service.accounts.sync_account(user_id=user_id, caller=a_service())
    before = await service.database.everything()

    await service.accounts.sync_account(user_id=user_id, caller=a_service())

    assert await service.database.everything() == before


async def test_people_unknown_here_or_there_change_nothing(service: LocalService) -> None:
    """An id that was never a user's, and one whose credential is gone."""
    stranger = uuid7()
    await service.accounts.sync_account(user_id=stranger, caller=a_service())
    service.directory.put(stranger, EMAIL)
    await service.accounts.sync_account(user_id=stranger, caller=a_service())

    assert not await service.database.actions()


async def test_addresses_that_changed_hands_settle(service: LocalService) -> None:
    """Two users swapped addresses: the one copied first takes the address, the other is fetched again."""
    ada, bob = await service.user("a@example.com"), await service.user("b@example.com")
    service.directory.put(ada, "b@example.com")
    service.directory.put(bob, "a@example.com")

    await service.accounts.sync_account(user_id=ada, caller=a_service())
    assert CopyOutdated(bob) in await service.database.events()
    await service.accounts.sync_account(user_id=bob, caller=a_service())

    addresses = {row.user_id: row.email_canonical for row in await service.database.rows("credentials")}
    assert addresses == {ada: "b@example.com", bob: "a@example.com"}


async def test_a_waiting_registration_gives_way_to_an_admitted_user(service: LocalService) -> None:
    """user-service decides whose an address is."""
    ada = await service.user("a@example.com")
    service.directory.away = True
    with pytest.raises(Unavailable):
        await service.user("b@example.com")
    service.directory.away = False
    service.directory.put(ada, "b@example.com")

    await service.accounts.sync_account(user_id=ada, caller=a_service())

    assert [row.user_id for row in await service.database.rows("credentials")] == [ada]

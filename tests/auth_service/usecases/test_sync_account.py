"""Making credentials equal to users."""

import pytest
from auth_service.domain.errors import AccountDisabled, InvalidCredentials
from auth_service.domain.events import CopyOutdated, TokensRevoked
from auth_service.domain.user import Role
from chassis.errors import TokenRevoked, Unavailable
from chassis.ids import uuid7

from tests.auth_service.world import EMAIL, World, a_client, a_service


async def _revoked_people(world: World) -> list[object]:
    events = [event for event in await world.database.events() if isinstance(event, TokensRevoked)]
    return [event.revocation.user_id for event in events]


async def test_a_new_address_is_the_one_to_sign_in_with(world: World) -> None:
    """The old one is free at once."""
    user_id = await world.user()
    world.directory.put(user_id, "Countess@Example.com")

    await world.accounts.sync_account(user_id=user_id, caller=a_service())

    await world.sign_in("countess@example.com")
    with pytest.raises(InvalidCredentials):
        await world.sign_in(EMAIL)
    assert ("auth.account_synced", "success") in await world.database.actions()
    assert not await _revoked_people(world)


async def test_a_new_role_revokes_the_access_tokens(world: World) -> None:
    """The sessions go on."""
    user_id = await world.user()
    tokens = await world.sign_in()
    world.directory.put(user_id, EMAIL, role=Role.ADMIN)

    await world.accounts.sync_account(user_id=user_id, caller=a_service())

    assert await _revoked_people(world) == [user_id]
    assert (
        await world.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    ).role is Role.ADMIN


async def test_deactivation_ends_every_session(world: World) -> None:
    """Neither the sessions nor the password are good any more; reactivation gives the password back."""
    user_id = await world.user()
    tokens = await world.sign_in()
    world.directory.put(user_id, EMAIL, is_active=False)
    await world.accounts.sync_account(user_id=user_id, caller=a_service())

    assert await _revoked_people(world) == [user_id]
    with pytest.raises(TokenRevoked):
        await world.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())
    with pytest.raises(AccountDisabled):
        await world.sign_in()

    world.directory.put(user_id, EMAIL, is_active=True)
    await world.accounts.sync_account(user_id=user_id, caller=a_service())
    await world.sign_in()
    with pytest.raises(TokenRevoked):
        await world.auth.refresh(refresh_token=tokens.refresh_token, caller=a_client())


async def test_an_erased_person_leaves_only_ids(world: World) -> None:
    """Credential, sessions and failures are deleted, tokens revoked, and the address can register again."""
    user_id = await world.user()
    await world.sign_in()
    with pytest.raises(InvalidCredentials):
        await world.sign_in(password="wrong password")
    world.directory.erase(user_id)

    await world.accounts.sync_account(user_id=user_id, caller=a_service())

    for table in ("credentials", "sessions", "sign_in_failures"):
        assert not await world.database.rows(table)
    assert await _revoked_people(world) == [user_id]
    assert await world.user() != user_id


async def test_doing_it_twice_does_it_once(world: World) -> None:
    """Call and event both come."""
    user_id = await world.user()
    world.directory.put(user_id, EMAIL, role=Role.ADMIN)
    await world.accounts.sync_account(user_id=user_id, caller=a_service())
    before = await world.database.everything()

    await world.accounts.sync_account(user_id=user_id, caller=a_service())

    assert await world.database.everything() == before


async def test_people_unknown_here_or_there_change_nothing(world: World) -> None:
    """An id that was never a user's, and one whose credential is gone."""
    stranger = uuid7()
    await world.accounts.sync_account(user_id=stranger, caller=a_service())
    world.directory.put(stranger, EMAIL)
    await world.accounts.sync_account(user_id=stranger, caller=a_service())

    assert not await world.database.actions()


async def test_addresses_that_changed_hands_settle(world: World) -> None:
    """Two users swapped addresses: the one copied first takes the address, the other is fetched again."""
    ada, bob = await world.user("a@example.com"), await world.user("b@example.com")
    world.directory.put(ada, "b@example.com")
    world.directory.put(bob, "a@example.com")

    await world.accounts.sync_account(user_id=ada, caller=a_service())
    assert CopyOutdated(bob) in await world.database.events()
    await world.accounts.sync_account(user_id=bob, caller=a_service())

    addresses = {row.user_id: row.email_canonical for row in await world.database.rows("credentials")}
    assert addresses == {ada: "b@example.com", bob: "a@example.com"}


async def test_a_waiting_registration_gives_way_to_an_admitted_person(world: World) -> None:
    """user-service decides whose an address is."""
    ada = await world.user("a@example.com")
    world.directory.away = True
    with pytest.raises(Unavailable):
        await world.user("b@example.com")
    world.directory.away = False
    world.directory.put(ada, "b@example.com")

    await world.accounts.sync_account(user_id=ada, caller=a_service())

    assert [row.user_id for row in await world.database.rows("credentials")] == [ada]

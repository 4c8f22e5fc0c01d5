"""Erasing a person, and oneself."""

import pytest
from chassis.errors import Invalid, NotFound, TokenRevoked, Unavailable
from user_service.domain.errors import LastAdmin

from tests.user_service.builders import a_user, an_admin, caller_of
from tests.user_service.usecases.conftest import World


async def test_erase(world: World) -> None:
    """A tombstone with a greater version remains; it is told, audited and in step."""
    ada, admin = a_user(version=5), an_admin()
    world.add(ada, admin)

    await world.does.delete_user(caller_of(admin), ada.id)

    assert world.find(ada) is None
    tombstone = world.units.state.tombstones.rows[ada.id]
    assert (6, world.clock.now()) == (tombstone.version, tombstone.erased_at)
    assert [ada.id] == world.events.changed
    assert world.events.actions == [("users.delete", "success")]
    assert [ada.id] == world.accounts.synced


async def test_erase_while_auth_service_is_away(world: World) -> None:
    """It is done here, not acknowledged; the repeat brings auth-service in step."""
    ada, admin = a_user(), an_admin()
    world.add(ada, admin)
    world.accounts.away = True

    with pytest.raises(Unavailable):
        await world.does.delete_user(caller_of(admin), ada.id)
    world.accounts.away = False
    with pytest.raises(NotFound):
        await world.does.delete_user(caller_of(admin), ada.id)

    assert world.find(ada) is None
    assert [ada.id] == world.accounts.synced
    assert [ada.id] == world.events.changed


async def test_erase_nobody(world: World) -> None:
    """Who never was is not auth-service's concern."""
    admin = an_admin()
    world.add(admin)

    with pytest.raises(NotFound):
        await world.does.delete_user(caller_of(admin), a_user().id)

    assert world.accounts.synced == []


async def test_erase_the_last_admin(world: World) -> None:
    """Refused, on the record."""
    admin = an_admin()
    world.add(admin, an_admin(is_active=False))

    with pytest.raises(LastAdmin):
        await world.does.delete_user(caller_of(admin), admin.id)

    assert admin == world.find(admin)
    assert world.events.actions == [("users.delete", "refused")]


async def test_former_admin_erases_nobody(world: World) -> None:
    """A token that still says admin does not help."""
    ada, former = a_user(), an_admin(is_active=False)
    world.add(ada, former, an_admin())

    with pytest.raises(TokenRevoked):
        await world.does.delete_user(caller_of(former), ada.id)

    assert ada == world.find(ada)


async def test_erase_me(world: World) -> None:
    """The password decides."""
    ada = a_user()
    world.add(ada)
    world.accounts.passwords[ada.id] = "correct"

    with pytest.raises(Invalid) as caught:
        await world.does.delete_me(caller_of(ada), "wrong")
    kept = world.find(ada)
    await world.does.delete_me(caller_of(ada), "correct")

    assert [error.field for error in caught.value.field_errors] == ["password"]
    assert ada == kept
    assert world.find(ada) is None
    assert world.events.actions == [("users.delete", "refused"), ("users.delete", "success")]


async def test_erase_me_while_auth_service_is_away(world: World) -> None:
    """Nothing happens: nobody can say whether the password is right."""
    ada = a_user()
    world.add(ada)
    world.accounts.away = True

    with pytest.raises(Unavailable):
        await world.does.delete_me(caller_of(ada), "correct")

    assert ada == world.find(ada)

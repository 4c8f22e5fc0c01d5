"""Changing a person: what is told, what is refused, what is acknowledged."""

import pytest
from chassis.errors import NotFound, TokenRevoked, Unavailable
from user_service.domain.errors import LastAdmin, VersionConflict
from user_service.domain.user import Changes, Role

from tests.user_service.builders import a_user, an_admin, caller_of
from tests.user_service.usecases.conftest import World


async def test_change_is_told_and_audited(world: World) -> None:
    """One event, one entry for the whole and one for each grave part, and auth-service in step."""
    ada, admin = a_user(is_active=False), an_admin()
    world.add(ada, admin)

    user = await world.does.update_user(caller_of(admin), ada.id, Changes(role=Role.ADMIN, is_active=True))

    assert user == world.find(ada)
    assert world.clock.now() == user.updated_at
    assert [ada.id] == world.events.changed
    assert [action for action, _ in world.events.actions] == [
        "users.update",
        "users.role_changed",
        "users.reactivated",
    ]
    whole, role, _ = world.events.audited
    assert whole.details == {"fields": "role,is_active"}
    assert role.details == {"from": "user", "to": "admin"}
    assert (admin.id, ada.id) == (whole.actor_id, whole.subject_id)
    assert [ada.id] == world.accounts.synced


async def test_repeat_changes_nothing_but_syncs(world: World) -> None:
    """The first may have been committed without being acknowledged."""
    ada, admin = a_user(), an_admin()
    world.add(ada, admin)
    world.accounts.away = True
    changes = Changes(is_active=False)

    with pytest.raises(Unavailable):
        await world.does.update_user(caller_of(admin), ada.id, changes)
    world.accounts.away = False
    user = await world.does.update_user(caller_of(admin), ada.id, changes)

    assert (user.is_active, user.version) == (False, 2)
    assert [ada.id] == world.events.changed
    assert [ada.id] == world.accounts.synced


async def test_refusal_is_audited_and_nothing_else_happens(world: World) -> None:
    """The last admin stays, with every other change of the same request undone."""
    admin = an_admin()
    world.add(admin)

    with pytest.raises(LastAdmin):
        await world.does.update_user(caller_of(admin), admin.id, Changes(full_name="X", role=Role.USER))

    assert admin == world.find(admin)
    assert world.events.actions == [("users.update", "refused")]
    assert world.events.audited[0].details == {"reason": "LAST_ADMIN"}
    assert world.events.changed == []
    assert world.accounts.synced == []


async def test_admin_may_step_down_when_another_is_there(world: World) -> None:
    """By oneself, too."""
    ada, bob = an_admin(), an_admin()
    world.add(ada, bob)

    user = await world.does.update_user(caller_of(ada), ada.id, Changes(role=Role.USER))

    assert Role.USER is user.role


async def test_condition_is_judged_even_when_nothing_would_change(world: World) -> None:
    """A stale reader is told so."""
    ada = a_user(version=2)
    world.add(ada)

    with pytest.raises(VersionConflict):
        await world.does.update_user(caller_of(ada), ada.id, Changes(), if_match='"1-0"')


async def test_former_admin_learns_nothing(world: World) -> None:
    """Neither whether the other exists nor anything else."""
    former, ada = a_user(), a_user()
    world.add(former, ada)

    for subject in (ada, a_user()):
        with pytest.raises(TokenRevoked):
            await world.does.update_user(caller_of(former), subject.id, Changes(full_name="X"))

    assert ada == world.find(ada)


async def test_nobody_is_not_found(world: World) -> None:
    """For an admin."""
    admin = an_admin()
    world.add(admin)

    with pytest.raises(NotFound):
        await world.does.update_user(caller_of(admin), a_user().id, Changes(full_name="X"))

"""Changing users."""

import pytest
from chassis.errors import NotFound, TokenRevoked, Unavailable
from chassis.identity.role import Role
from user_service.domain.errors import LastAdmin, VersionConflict
from user_service.domain.user import Changes
from user_service.usecases.user_changes import UpdateUser

from tests.user_service.builders import a_user, an_admin, caller_of
from tests.user_service.usecases.conftest import Ports


def _update_user(ports: Ports) -> UpdateUser:
    return UpdateUser(ports.units, ports.accounts, ports.clock)


async def test_change_is_published_audited_and_synced(ports: Ports) -> None:
    """One event, one audit entry for the whole and one per critical field, one sync."""
    ada, admin = a_user(is_active=False), an_admin()
    await ports.add(ada, admin)

    user = await _update_user(ports)(
        caller=caller_of(admin), user_id=ada.id, changes=Changes(role=Role.ADMIN, is_active=True)
    )

    assert user == await ports.find(ada)
    assert ports.clock.now() == user.updated_at
    assert [ada.id] == await ports.changed()
    assert [action for action, _ in await ports.audited()] == [
        "users.update",
        "users.role_changed",
        "users.reactivated",
    ]
    whole, role, _ = await ports.entries()
    assert dict(whole.details) == {"fields": "role,is_active"}
    assert dict(role.details) == {"from": "user", "to": "admin"}
    assert (str(admin.id), str(ada.id)) == (whole.actor_id, whole.subject_id)
    assert [ada.id] == ports.accounts.synced


async def test_retry_changes_nothing_but_syncs(ports: Ports) -> None:
    """The first attempt may have been committed without a sync."""
    ada, admin = a_user(), an_admin()
    await ports.add(ada, admin)
    ports.accounts.down = True
    update_user, changes = _update_user(ports), Changes(is_active=False)

    with pytest.raises(Unavailable):
        await update_user(caller=caller_of(admin), user_id=ada.id, changes=changes)
    ports.accounts.down = False
    user = await update_user(caller=caller_of(admin), user_id=ada.id, changes=changes)

    assert (user.is_active, user.version) == (False, 2)
    assert [ada.id] == await ports.changed()
    assert [ada.id] == ports.accounts.synced


async def test_refusal_is_audited_and_changes_nothing(ports: Ports) -> None:
    """Demoting the last admin also undoes the other changes of the same request."""
    admin = an_admin()
    await ports.add(admin)
    changes = Changes(full_name="X", role=Role.USER)

    with pytest.raises(LastAdmin):
        await _update_user(ports)(caller=caller_of(admin), user_id=admin.id, changes=changes)

    assert admin == await ports.find(admin)
    assert await ports.audited() == [("users.update", "refused")]
    assert dict((await ports.entries())[0].details) == {"reason": "LAST_ADMIN"}
    assert await ports.changed() == []
    assert ports.accounts.synced == []


async def test_admin_may_step_down_when_there_is_another(ports: Ports) -> None:
    """The last-admin rule counts the other one."""
    ada, bob = an_admin(), an_admin()
    await ports.add(ada, bob)

    user = await _update_user(ports)(caller=caller_of(ada), user_id=ada.id, changes=Changes(role=Role.USER))

    assert Role.USER is user.role


async def test_condition_is_checked_even_when_nothing_would_change(ports: Ports) -> None:
    """A stale version is always a conflict."""
    ada = a_user(version=2)
    await ports.add(ada)

    with pytest.raises(VersionConflict):
        await _update_user(ports)(caller=caller_of(ada), user_id=ada.id, changes=Changes(), if_match='"1-0"')


async def test_former_admin_learns_nothing(ports: Ports) -> None:
    """Not even whether the other user exists."""
    former, ada = a_user(), a_user()
    await ports.add(former, ada)

    for subject in (ada, a_user()):
        with pytest.raises(TokenRevoked):
            await _update_user(ports)(
                caller=caller_of(former), user_id=subject.id, changes=Changes(full_name="X")
            )

    assert ada == await ports.find(ada)


async def test_unknown_user_is_not_found(ports: Ports) -> None:
    """For an admin."""
    admin = an_admin()
    await ports.add(admin)

    with pytest.raises(NotFound):
        await _update_user(ports)(
            caller=caller_of(admin), user_id=a_user().id, changes=Changes(full_name="X")
        )

"""Erasing users."""

import pytest
from chassis.errors import Invalid, NotFound, TokenRevoked, Unavailable
from user_service.domain.errors import LastAdmin
from user_service.domain.tombstone import Tombstone
from user_service.usecases.erasure import DeleteMe, DeleteUser

from tests.user_service.builders import a_user, an_admin, caller_of
from tests.user_service.usecases.conftest import Ports


def _delete_user(ports: Ports) -> DeleteUser:
    return DeleteUser(ports.units, ports.accounts, ports.clock)


def _delete_me(ports: Ports) -> DeleteMe:
    return DeleteMe(ports.units, ports.accounts, _delete_user(ports))


async def test_erase(ports: Ports) -> None:
    """A tombstone with a greater version remains; the erasure is published, audited and synced."""
    ada, admin = a_user(version=5), an_admin()
    await ports.add(ada, admin)

    await _delete_user(ports)(caller=caller_of(admin), user_id=ada.id)

    assert await ports.find(ada) is None
    async with ports.units.statements() as unit:
        assert Tombstone(ada.id, 6, ports.clock.now()) == await unit.tombstones.find(ada.id)
    assert [ada.id] == await ports.changed()
    assert await ports.audited() == [("users.delete", "success")]
    assert [ada.id] == ports.accounts.synced


async def test_erase_while_auth_service_is_down(ports: Ports) -> None:
    """The erasure is committed but fails; a retry syncs auth-service."""
    ada, admin = a_user(), an_admin()
    await ports.add(ada, admin)
    ports.accounts.down = True
    delete_user = _delete_user(ports)

    with pytest.raises(Unavailable):
        await delete_user(caller=caller_of(admin), user_id=ada.id)
    ports.accounts.down = False
    with pytest.raises(NotFound):
        await delete_user(caller=caller_of(admin), user_id=ada.id)

    assert await ports.find(ada) is None
    assert [ada.id] == ports.accounts.synced
    assert [ada.id] == await ports.changed()


async def test_erase_unknown_user(ports: Ports) -> None:
    """auth-service is not called for an id that never existed."""
    admin = an_admin()
    await ports.add(admin)

    with pytest.raises(NotFound):
        await _delete_user(ports)(caller=caller_of(admin), user_id=a_user().id)

    assert ports.accounts.synced == []


async def test_erase_last_admin(ports: Ports) -> None:
    """It is refused and audited."""
    admin = an_admin()
    await ports.add(admin, an_admin(is_active=False))

    with pytest.raises(LastAdmin):
        await _delete_user(ports)(caller=caller_of(admin), user_id=admin.id)

    assert admin == await ports.find(admin)
    assert await ports.audited() == [("users.delete", "refused")]


async def test_former_admin_cannot_erase(ports: Ports) -> None:
    """A token that still says admin is not enough."""
    ada, former = a_user(), an_admin(is_active=False)
    await ports.add(ada, former, an_admin())

    with pytest.raises(TokenRevoked):
        await _delete_user(ports)(caller=caller_of(former), user_id=ada.id)

    assert ada == await ports.find(ada)


async def test_erase_me(ports: Ports) -> None:
    """Only the right password erases the caller; a wrong one is audited."""
    ada = a_user()
    await ports.add(ada)
    ports.accounts.passwords[ada.id] = "correct"

    with pytest.raises(Invalid) as caught:
        await _delete_me(ports)(caller=caller_of(ada), password="wrong")
    kept = await ports.find(ada)
    await _delete_me(ports)(caller=caller_of(ada), password="correct")

    assert [error.field for error in caught.value.field_errors] == ["password"]
    assert ada == kept
    assert await ports.find(ada) is None
    assert await ports.audited() == [("users.delete", "refused"), ("users.delete", "success")]


async def test_erase_me_while_auth_service_is_down(ports: Ports) -> None:
    """Nothing is erased, since the password cannot be checked."""
    ada = a_user()
    await ports.add(ada)
    ports.accounts.down = True

    with pytest.raises(Unavailable):
        await _delete_me(ports)(caller=caller_of(ada), password="correct")

    assert ada == await ports.find(ada)

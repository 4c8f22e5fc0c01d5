"""Registrations, announced by an event."""

import pytest
from chassis.errors import Unavailable
from chassis.identity.caller import ANONYMOUS
from user_service.domain.user import Registration, Role

from tests.user_service.builders import a_user
from tests.user_service.usecases.conftest import World

ADA = Registration("Ada@example.org", "Ada Lovelace", Role.USER)


async def test_admitted(world: World) -> None:
    """The person is there, active, unverified, and by one's own act."""
    user_id = a_user().id
    world.accounts.waiting[user_id] = ADA

    for _ in range(3):
        await world.does.settle_registration(ANONYMOUS, user_id)

    user = world.units.state.users.rows[user_id]
    assert (ADA.email, ADA.full_name, Role.USER) == (user.email, user.full_name, user.role)
    assert (user.is_active, user.email_verified, user.version, user.last_login_at) == (True, False, 1, None)
    assert [user_id] == world.events.changed
    (audited,) = world.events.audited
    assert ("users.admit", user_id, user_id) == (audited.action, audited.actor_id, audited.subject_id)


async def test_refused_when_the_address_is_taken(world: World) -> None:
    """Nothing half made is left in auth-service."""
    user_id = a_user().id
    world.add(a_user("ada@EXAMPLE.org"))
    world.accounts.waiting[user_id] = ADA

    await world.does.settle_registration(ANONYMOUS, user_id)

    assert [user_id] == world.accounts.refused
    assert user_id not in world.units.state.users.rows


async def test_long_done(world: World) -> None:
    """A late announcement of what was admitted, refused or erased is no error."""
    await world.does.settle_registration(ANONYMOUS, a_user().id)

    assert world.accounts.refused == []


async def test_tried_again_while_auth_service_is_away(world: World) -> None:
    """The event stays until it could be settled."""
    world.accounts.away = True

    with pytest.raises(Unavailable):
        await world.does.settle_registration(ANONYMOUS, a_user().id)

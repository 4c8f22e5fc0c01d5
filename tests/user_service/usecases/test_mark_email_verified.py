"""Noting that an address was shown to be a person's."""

from chassis.identity.caller import Caller

from tests.user_service.builders import a_user
from tests.user_service.usecases.conftest import World

SERVICE = Caller(service="auth-service")


async def test_it_is_noted_once(world: World) -> None:
    """As a new version, which others are told of."""
    ada = a_user("Ada@example.org", email_verified=False)
    world.add(ada)
    for _ in range(2):
        await world.does.mark_email_verified(SERVICE, ada.id, "Ada@example.org")

    found = world.find(ada)
    assert found is not None
    assert (found.email_verified, found.version) == (True, ada.version + 1)
    assert world.events.changed == [ada.id]
    assert world.events.actions == [("users.email_verified", "success")]


async def test_another_address_is_not(world: World) -> None:
    """Nor in another spelling: it was not mailed to."""
    ada = a_user("Ada@example.org", email_verified=False)
    world.add(ada)
    for email in ("former@example.org", "ada@example.org"):
        await world.does.mark_email_verified(SERVICE, ada.id, email)

    assert world.find(ada) == ada
    assert not world.events.changed


async def test_who_is_erased_is_left_alone(world: World) -> None:
    """The event may come late."""
    await world.does.mark_email_verified(SERVICE, a_user().id, "ada@example.org")

    assert not world.events.changed

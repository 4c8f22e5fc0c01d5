"""Gathering everything about the caller."""

import pytest
from chassis.errors import TokenRevoked, Unavailable
from user_service.usecases.export_me import AUDIT_EVENTS_MAX, PAGE_SIZE

from tests.user_service.builders import a_user, caller_of
from tests.user_service.usecases.conftest import World


@pytest.mark.parametrize(
    ("kept", "told", "truncated"),
    [
        (0, 0, False),
        (3, 3, False),
        (PAGE_SIZE, PAGE_SIZE, False),
        (PAGE_SIZE + 1, PAGE_SIZE + 1, False),
        (AUDIT_EVENTS_MAX + 1, AUDIT_EVENTS_MAX, True),
    ],
)
async def test_pages_are_put_together(world: World, kept: int, told: int, truncated: bool) -> None:
    """The newest first, each once, up to a limit that is told of."""
    ada = a_user()
    world.add(ada)
    world.accounts.audit_events_kept = kept

    data = await world.does.export_me(caller_of(ada))

    assert data.user == ada
    assert [*map(str, data.audit_events)] == [*map(str, range(kept, kept - told, -1))]
    assert data.is_truncated is truncated
    assert world.events.actions == [("users.export", "success")]


async def test_nothing_is_told_by_halves(world: World) -> None:
    """Without auth-service there is no export."""
    ada = a_user()
    world.add(ada)
    world.accounts.away = True

    with pytest.raises(Unavailable):
        await world.does.export_me(caller_of(ada))
    assert not world.events.audited


async def test_who_is_gone_gets_none(world: World) -> None:
    """Deactivated or erased since the token was issued."""
    gone, inactive = a_user(), a_user(is_active=False)
    world.add(inactive)

    for person in (gone, inactive):
        with pytest.raises(TokenRevoked):
            await world.does.export_me(caller_of(person))

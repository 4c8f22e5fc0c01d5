"""Cached copies that sign-ins make stale."""

import asyncio

import pytest
from chassis.postgres.pool import Pool
from user_service.adapters import stale_copies
from user_service.adapters.stale_copies import GatheredStaleCopies

from tests.chassis.waiting import until
from tests.user_service.builders import a_user
from tests.user_service.conftest import Stored


async def test_users_who_sign_in_together_share_an_event(
    users_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is named once, in as few events as may hold them; later ones are in a later event."""
    monkeypatch.setattr(stale_copies, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(stale_copies, "USERS_MAX", 2)
    stored = Stored(users_pool)
    copies = GatheredStaleCopies(stored.units)
    ada, bob, eve, dan = (a_user().id for _ in range(4))
    for user_id in (ada, bob, ada, eve):
        copies.note(user_id)

    async def tags(count: int) -> list[list[str]]:
        async def are_there() -> bool:
            return len(await stored.events()) >= count

        await until(are_there)
        return [list(event.tags) for event in await stored.events()]

    running = asyncio.create_task(copies.run())
    try:
        first = await tags(2)
        copies.note(dan)
        assert await tags(3) == [*first, [f"user:{dan}"]]
    finally:
        running.cancel()
    assert first == [[f"user:{ada}", f"user:{bob}"], [f"user:{eve}"]]

"""Changes of users and of webhooks at the same time, on a real Postgres."""

import asyncio
from dataclasses import replace
from functools import partial

from chassis.postgres.pool import Pool

from tests.chassis.waiting import until
from tests.user_service.usecases.hooks import Hooks
from tests.webhook_receiver import Receiver

_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def _wait_for_locks(pool: Pool, count: int) -> bool:
    return int(await pool.fetchval(_WAITING)) == count


async def test_a_webhook_that_is_deleted_does_not_disturb_a_change(hooks: Hooks, receiver: Receiver) -> None:
    """The change waits for the deletion, and is announced to the others."""
    deleted, _ = await hooks.add(receiver.url)
    kept, _ = await hooks.add(receiver.url)
    async with hooks.ports.units.transaction() as unit:
        await unit.webhooks.delete(deleted.id)
        changing = asyncio.create_task(hooks.rename(hooks.admin))
        await until(partial(_wait_for_locks, hooks.ports.pool, 1))
    await changing

    (delivery,) = await hooks.deliveries(kept)
    assert delivery.announcement.user_id == hooks.admin.id


async def test_a_webhook_that_is_edited_does_not_hold_up_a_change(hooks: Hooks, receiver: Receiver) -> None:
    """Neither once it is locked nor once it is changed, as by an admin or by a new master key."""
    webhook, _ = await hooks.add(receiver.url)
    async with hooks.ports.units.transaction() as unit:
        locked = await unit.webhooks.lock(webhook.id)
        assert locked is not None
        await hooks.rename(hooks.admin)
        await unit.webhooks.save(replace(locked, description="CRM"))
        await hooks.rename(hooks.admin, "Third Name")

    assert len(await hooks.deliveries(webhook)) == 2

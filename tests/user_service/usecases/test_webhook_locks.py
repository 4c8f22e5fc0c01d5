"""Changes of users and of webhooks at the same time, on a real Postgres."""

import asyncio
from dataclasses import replace
from functools import partial

from chassis.http.destinations import Destinations
from chassis.postgres.pool import Pool
from user_service.adapters.webhook_poster import HttpWebhookPoster
from user_service.usecases.webhook_delivery import SendWebhooks
from user_service.usecases.webhooks import DeleteWebhook

from tests.chassis.waiting import until
from tests.user_service.usecases.hooks import SECRETS, Hooks
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


class GonePoster(HttpWebhookPoster):
    """Responds with 410, once the test lets it."""

    def __init__(self) -> None:
        super().__init__(Destinations())
        self.asked, self.may_respond = asyncio.Event(), asyncio.Event()

    async def __call__(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Waits, and posts nothing."""
        self.asked.set()
        await self.may_respond.wait()
        return 410


async def test_a_webhook_that_is_gone_is_deleted_meanwhile(hooks: Hooks, receiver: Receiver) -> None:
    """Turning it off and deleting it take turns, and both succeed."""
    webhook, _ = await hooks.add(receiver.url)
    await hooks.rename(hooks.admin)
    ports, poster = hooks.ports, GonePoster()
    sending = asyncio.create_task(SendWebhooks(ports.units, SECRETS, poster, ports.clock)())
    await poster.asked.wait()
    async with ports.units.transaction() as unit:
        # Another one that holds the delivery makes both wait where they could lock each other out.
        await unit.connection.execute("SELECT FROM users.webhook_deliveries FOR UPDATE")
        poster.may_respond.set()
        await until(partial(_wait_for_locks, ports.pool, 1))
        deleting = asyncio.create_task(DeleteWebhook(ports.units)(caller=hooks.caller, webhook_id=webhook.id))
        await until(partial(_wait_for_locks, ports.pool, 2))
    await asyncio.gather(sending, deleting)

    audited = [action for action, _ in await ports.audited() if "webhook" in action]
    assert audited == ["users.webhook_created", "users.webhook_disabled", "users.webhook_deleted"]

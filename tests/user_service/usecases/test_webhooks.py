"""Managing webhooks, on a real Postgres."""

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from chassis.errors import NotFound, StoredResponseExpired, TokenRevoked, Unavailable
from chassis.idempotency.record import IdempotencyKey, IdempotencyRecord
from chassis.ids import uuid7
from chassis.postgres.idempotency import purge_responses
from standardwebhooks import Webhook as Verifier
from user_service.adapters.postgres import kept_deliveries
from user_service.adapters.webhook_secrets import SealedWebhookSecrets
from user_service.domain.errors import TooManyWebhooks
from user_service.domain.webhook import Attempt, DeliveryState, WebhookChanges
from user_service.usecases.erasure import DeleteUser
from user_service.usecases.webhook_delivery import PurgeDeliveries, ResealWebhooks, SendWebhooks
from user_service.usecases.webhooks import (
    DeleteWebhook,
    ResendWebhookDelivery,
    RotateWebhookSecret,
)

from tests.components import changed
from tests.user_service.builders import a_user, caller_of
from tests.user_service.usecases.hooks import EVERYTHING, POSTER, SECRETS, Hooks
from tests.webhook_receiver import Receiver, status


async def test_both_secrets_count_for_a_day(hooks: Hooks, receiver: Receiver) -> None:
    """A receiver changes over when it likes, then the former one ends."""
    webhook, former = await hooks.add(receiver.url)
    rotate = RotateWebhookSecret(hooks.ports.units, SECRETS, hooks.ports.clock)
    _, secret = await rotate(caller=hooks.caller, webhook_id=webhook.id)
    await hooks.rename(hooks.admin)
    await hooks.send()

    (message,) = receiver.messages
    for each in (former, secret):
        Verifier(each).verify(message.body, message.headers)
    assert former != secret
    hooks.ports.clock.advance(24 * 3600)
    await hooks.rename(hooks.admin, "Later Name")
    await hooks.send()
    assert len(receiver.messages[1].headers["webhook-signature"].split()) == 1
    stored = await hooks.ports.pool.fetchval("SELECT sealed_secret FROM users.webhooks")
    assert base64.b64decode(secret.removeprefix("whsec_")) not in stored


async def test_secrets_are_sealed_again_under_a_new_master_key(hooks: Hooks, receiver: Receiver) -> None:
    """Once, and then the former key need not be accepted; what no key opens stays."""
    webhook, former = await hooks.add(receiver.url)
    rotate = RotateWebhookSecret(hooks.ports.units, SECRETS, hooks.ports.clock)
    _, secret = await rotate(caller=hooks.caller, webhook_id=webhook.id)
    units, new = hooks.ports.units, b"n" * 32
    assert await ResealWebhooks(units, SealedWebhookSecrets([new]))() == 0

    reseal = ResealWebhooks(units, SealedWebhookSecrets([new, b"k" * 32]))
    assert (await reseal(), await reseal()) == (1, 0)

    await hooks.rename(hooks.admin)
    await SendWebhooks(units, SealedWebhookSecrets([new]), POSTER, hooks.ports.clock)()
    (message,) = receiver.messages
    for each in (former, secret):
        Verifier(each).verify(message.body, message.headers)


async def test_without_the_master_key_nothing_is_sent(hooks: Hooks, receiver: Receiver) -> None:
    """Creating is refused, and messages wait for the key."""
    webhook, _ = await hooks.add(receiver.url)
    await hooks.rename(hooks.admin)
    without = SealedWebhookSecrets(())
    with pytest.raises(Unavailable):
        await changed(hooks.create, secrets=without)(
            caller=hooks.caller, url=receiver.url, events=EVERYTHING, description=""
        )
    await SendWebhooks(hooks.ports.units, without, POSTER, hooks.ports.clock)()

    (waiting,) = await hooks.deliveries(webhook)
    assert (waiting.state, waiting.last_error) == (DeliveryState.PENDING, "no master key is set")
    assert receiver.messages == []


async def test_admins_alone_and_audited(hooks: Hooks, receiver: Receiver) -> None:
    """A caller who is an admin no longer is refused; every change is in the audit, by id."""
    webhook, _ = await hooks.add(receiver.url)
    changes = WebhookChanges(description="CRM", url=receiver.url)
    await hooks.update(caller=hooks.caller, webhook_id=webhook.id, changes=changes)
    user = a_user()
    await hooks.ports.add(user)
    with pytest.raises(TokenRevoked):
        await DeleteWebhook(hooks.ports.units)(caller=caller_of(user), webhook_id=webhook.id)
    await DeleteWebhook(hooks.ports.units)(caller=hooks.caller, webhook_id=webhook.id)
    with pytest.raises(NotFound):
        await DeleteWebhook(hooks.ports.units)(caller=hooks.caller, webhook_id=webhook.id)

    entries = [entry for entry in await hooks.ports.entries() if "webhook" in entry.action]
    assert [(entry.action, dict(entry.details)) for entry in entries] == [
        ("users.webhook_created", {"webhook": str(webhook.id)}),
        ("users.webhook_updated", {"webhook": str(webhook.id), "fields": "description"}),
        ("users.webhook_deleted", {"webhook": str(webhook.id)}),
    ]


async def test_there_are_at_most_twenty(hooks: Hooks, receiver: Receiver) -> None:
    """Also when they are added at the same time."""
    for _ in range(18):
        await hooks.add(receiver.url)
    results = await asyncio.gather(*(hooks.add(receiver.url) for _ in range(4)), return_exceptions=True)

    assert sum(isinstance(each, TooManyWebhooks) for each in results) == 2
    await hooks.rename(hooks.admin)
    assert await hooks.send() == 20


async def test_ended_deliveries_go_after_a_while(hooks: Hooks, receiver: Receiver) -> None:
    """Delivered ones after a week."""
    webhook, _ = await hooks.add(receiver.url)
    await hooks.rename(hooks.admin)
    await hooks.send()
    purge = PurgeDeliveries(hooks.ports.units)
    assert await purge() == 0
    await hooks.ports.pool.execute("UPDATE users.webhook_deliveries SET due_at = now() - interval '8 days'")

    assert await purge() == 1
    assert await hooks.deliveries(webhook) == []


@pytest.mark.parametrize(
    ("state", "is_active", "due", "occurred", "goes"),
    [
        ("dead", True, "29 days", "31 days", False),
        ("dead", True, "31 days", "33 days", True),
        ("pending", True, "1 second", "31 days", False),
        ("pending", False, "29 days", "29 days", False),
        ("pending", False, "31 days", "31 days", True),
    ],
)
async def test_what_was_not_delivered_stays_for_a_month(
    hooks: Hooks, receiver: Receiver, state: str, is_active: bool, due: str, occurred: str, goes: bool
) -> None:
    """From when it was given up, so that it can be resent; or since the event, at an endpoint that is off."""
    await hooks.add(receiver.url)
    await hooks.rename(hooks.admin)
    await hooks.ports.pool.execute("UPDATE users.webhooks SET is_active = $1", is_active)
    await hooks.ports.pool.execute(
        "UPDATE users.webhook_deliveries SET state = $1, due_at = now() - $2::text::interval,"
        " occurred_at = now() - $3::text::interval",
        state,
        due,
        occurred,
    )

    assert await PurgeDeliveries(hooks.ports.units)() == int(goes)


async def test_old_deliveries_are_deleted_in_batches(
    hooks: Hooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, a few at a time; what another instance is deleting is not waited for."""
    monkeypatch.setattr(kept_deliveries, "BATCH", 2)
    webhook, _ = await hooks.add(receiver.url)
    for number in range(6):
        await hooks.rename(hooks.admin, f"Name {number}")
    await hooks.send()
    await hooks.ports.pool.execute("UPDATE users.webhook_deliveries SET due_at = now() - interval '8 days'")
    newest = (await hooks.deliveries(webhook))[0]
    async with hooks.ports.units.transaction() as unit:
        await unit.connection.execute("DELETE FROM users.webhook_deliveries WHERE id = $1", newest.id)

        assert await PurgeDeliveries(hooks.ports.units)() == 5
    assert await hooks.deliveries(webhook) == []


async def test_an_attempt_from_before_it_was_resent_says_nothing(hooks: Hooks, receiver: Receiver) -> None:
    """Both are the first attempt; the one that still hangs must not undo what the other has delivered."""
    webhook, _ = await hooks.add(receiver.url)
    receiver.behaves = status(503)
    await hooks.rename(hooks.admin)
    await hooks.send()
    (hanging,) = await hooks.deliveries(webhook)
    await hooks.make_due()
    resend = ResendWebhookDelivery(hooks.ports.units)
    await resend(caller=hooks.caller, webhook_id=webhook.id, delivery_id=hanging.id)
    receiver.behaves = status(200)
    await hooks.send()
    async with hooks.ports.units.transaction() as unit:
        await unit.webhooks.note(hanging, Attempt(status=503, error="late", wait=timedelta(seconds=5)))

    (done,) = await hooks.deliveries(webhook)
    assert (done.state, done.attempts) == (DeliveryState.DELIVERED, 1)


async def test_a_lost_response(hooks: Hooks, receiver: Receiver) -> None:
    """A retry finds what the first attempt did, with its secret; once the endpoint is removed, nothing."""
    pool, erase = hooks.ports.pool, partial(DeleteWebhook(hooks.ports.units), caller=hooks.caller)
    rotate = partial(RotateWebhookSecret(hooks.ports.units, SECRETS, hooks.ports.clock), caller=hooks.caller)
    add = partial(hooks.create, caller=hooks.caller, url=receiver.url, events=EVERYTHING, description="")
    adding, rotating = await _begin(hooks), await _begin(hooks)
    webhook, secret = await add(idempotency=adding)
    added = replace(adding, outcome=webhook.id)
    assert await add(idempotency=added) == (webhook, secret)
    with pytest.raises(Unavailable):
        await add(idempotency=adding)
    rotated, new = await rotate(webhook_id=webhook.id, idempotency=rotating)
    again = replace(rotating, outcome=webhook.id)
    assert await rotate(webhook_id=webhook.id, idempotency=again) == (rotated, new)
    assert new != secret
    assert await pool.fetchval("SELECT count(*) FROM users.webhooks") == 1
    assert await pool.fetchval("SELECT count(*) FROM users.attempts WHERE outcome = $1", webhook.id) == 2

    await erase(webhook_id=webhook.id)
    with pytest.raises(StoredResponseExpired):
        await add(idempotency=added)
    with pytest.raises(StoredResponseExpired):
        await rotate(webhook_id=webhook.id, idempotency=again)


async def test_stored_responses_go_with_the_user_and_after_a_day(hooks: Hooks) -> None:
    """Erasing a user deletes what they asked for, and the rest is deleted when it is replayed no more."""
    pool, other = hooks.ports.pool, a_user()
    await hooks.ports.add(other)
    for user_id in (other.id, hooks.admin.id, hooks.admin.id):
        await _begin(hooks, user_id)
    delete = DeleteUser(hooks.ports.units, hooks.ports.accounts, hooks.ports.clock)
    await delete(caller=hooks.caller, user_id=other.id)
    assert await pool.fetchval("SELECT count(*) FROM users.attempts") == 2

    await pool.execute(
        "UPDATE users.attempts SET began_at = now() - interval '25 hours'"
        " WHERE name = (SELECT min(name) FROM users.attempts)"
    )
    assert await purge_responses(pool, "users") == 1
    assert await pool.fetchval("SELECT count(*) FROM users.attempts") == 1


async def _begin(hooks: Hooks, user_id: UUID | None = None) -> IdempotencyRecord:
    key = IdempotencyKey(name=uuid7().bytes, fingerprint=b"asked", user_id=user_id)
    async with hooks.ports.units.statements() as unit:
        return await unit.idempotency.begin(key, uuid7(), timedelta(seconds=5))

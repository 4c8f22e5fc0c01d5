"""Webhook messages on a real Postgres, delivered to a real HTTP endpoint."""

import asyncio
import threading
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import UUID

import pytest
from chassis.errors import NotFound
from chassis.http.destinations import Destinations
from chassis.identity.role import Role
from chassis.postgres.notifications import open_listening
from devstack.database import Database
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError
from user_service.adapters.postgres.webhooks import CHANNEL
from user_service.adapters.webhook_poster import HttpWebhookPoster
from user_service.domain import undelivered
from user_service.domain.accounts import Registration
from user_service.domain.announcements import announce
from user_service.domain.user import Changes
from user_service.domain.webhook import WAITS, DeliveryState, UserEvent, WebhookChanges
from user_service.usecases import webhook_delivery
from user_service.usecases.erasure import DeleteUser
from user_service.usecases.registration import AdmitUser
from user_service.usecases.webhook_delivery import SendWebhooks, wait_after
from user_service.usecases.webhooks import (
    ListWebhooks,
    ResendWebhookDelivery,
)

from tests.chassis.waiting import until
from tests.user_service.builders import a_user
from tests.user_service.usecases.hooks import LOOPBACK, POSTER, SECRETS, Hooks
from tests.waiting import wait_for
from tests.webhook_receiver import Receiver, endless, hang, status


async def test_each_event_arrives_signed_and_without_personal_data(hooks: Hooks, receiver: Receiver) -> None:
    """From registering to erasure; the reference implementation verifies every message."""
    webhook, secret = await hooks.add(receiver.url)
    ports, ada = hooks.ports, a_user().id
    ports.accounts.waiting[ada] = Registration("Ada@example.org", "Ada Lovelace", Role.USER)
    await AdmitUser(ports.units, ports.accounts, ports.clock)(caller=hooks.caller, user_id=ada)
    await hooks.send()
    changes = Changes(full_name="Ada King", is_active=False)
    await hooks.change(caller=hooks.caller, user_id=ada, changes=changes)
    await hooks.send()
    await DeleteUser(ports.units, ports.accounts, ports.clock)(caller=hooks.caller, user_id=ada)
    await hooks.send()

    said = [message.content for message in receiver.messages]
    assert said[0]["type"] == "user.registered"
    assert {each["type"] for each in said[1:3]} == {"user.changed", "user.deactivated"}
    assert said[3]["type"] == "user.erased"
    assert [each["data"]["version"] for each in said] == [1, 2, 2, 3]
    assert said[1]["data"] == {"user_id": str(ada), "version": 2, "fields": ["full_name", "is_active"]}
    for message in receiver.messages:
        assert Verifier(secret).verify(message.body, message.headers) == message.content
        assert message.headers["content-type"] == "application/json"
        assert b"Ada" not in message.body
        assert b"example.org" not in message.body
        with pytest.raises(WebhookVerificationError):
            Verifier(secret).verify(message.body.replace(b"user.", b"test."), message.headers)
    assert {each.state for each in await hooks.deliveries(webhook)} == {DeliveryState.DELIVERED}
    assert len({message.headers["webhook-id"] for message in receiver.messages}) == 4


async def test_what_is_rolled_back_is_not_announced(hooks: Hooks, receiver: Receiver) -> None:
    """A message is written in the transaction of the change."""
    webhook, _ = await hooks.add(receiver.url)
    with pytest.raises(ZeroDivisionError):
        async with hooks.ports.units.transaction() as unit:
            await announce(unit, None, a_user())
            raise ZeroDivisionError

    assert await hooks.deliveries(webhook) == []


async def test_only_what_was_asked_for(hooks: Hooks, receiver: Receiver) -> None:
    """An endpoint gets the events of its list."""
    erasures, _ = await hooks.add(receiver.url, (UserEvent.ERASED,))
    changes, _ = await hooks.add(receiver.url, (UserEvent.CHANGED, UserEvent.CHANGED))
    await hooks.rename(hooks.admin)

    assert await hooks.deliveries(erasures) == []
    assert [each.announcement.event for each in await hooks.deliveries(changes)] == [UserEvent.CHANGED]


@pytest.mark.parametrize(
    ("behaviour", "expected_status", "said"),
    [
        (status(500), 500, "the response is 500"),
        (status(302, Location="http://127.0.0.1:1/"), 302, "the response is 302"),
        (hang(3), None, "no response in time"),
        (endless, None, "the response is larger than 65536 bytes"),
    ],
)
async def test_a_failed_attempt_is_repeated(
    hooks: Hooks, receiver: Receiver, behaviour: Any, expected_status: int | None, said: str
) -> None:
    """Later, with the same id and body and a signature of its own; a redirect is not followed."""
    webhook, secret = await hooks.add(receiver.url)
    receiver.behaves = behaviour
    await hooks.rename(hooks.admin)
    await hooks.send()

    (failed,) = await hooks.deliveries(webhook)
    assert (failed.state, failed.attempts) == (DeliveryState.PENDING, 1)
    assert (failed.last_status, failed.last_error) == (expected_status, said)
    assert await hooks.send() == 0, "not due yet"
    receiver.behaves = status(204)
    await hooks.make_due()
    hooks.ports.clock.advance(60)
    await hooks.send()

    (done,) = await hooks.deliveries(webhook)
    assert (done.state, done.attempts, done.last_error) == (DeliveryState.DELIVERED, 2, None)
    first, second = receiver.messages
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    Verifier(secret).verify(second.body, second.headers)


async def test_a_message_is_dead_after_days_and_can_be_resent(hooks: Hooks, receiver: Receiver) -> None:
    """The waits grow; what is dead stays until an admin resends it."""
    webhook, _ = await hooks.add(receiver.url)
    receiver.behaves = status(503)
    await hooks.rename(hooks.admin)
    for _ in range(len(WAITS) + 3):
        await hooks.send()
        await hooks.make_due()

    (dead,) = await hooks.deliveries(webhook)
    assert (dead.state, dead.attempts) == (DeliveryState.DEAD, len(WAITS) + 1)
    assert len(receiver.messages) == len(WAITS) + 1
    waits = [wait_after(attempts) for attempts in range(1, len(WAITS) + 2)]
    assert waits[-1] is None
    assert timedelta(hours=40) < sum(filter(None, waits), timedelta()) < timedelta(hours=64)
    receiver.behaves = status(200)
    resend = ResendWebhookDelivery(hooks.ports.units)
    again = await resend(caller=hooks.caller, webhook_id=webhook.id, delivery_id=dead.id)
    await hooks.send()

    assert (again.state, again.attempts) == (DeliveryState.PENDING, 0)
    (done,) = await hooks.deliveries(webhook)
    assert (done.state, done.attempts, done.last_status) == (DeliveryState.DELIVERED, 1, 200)
    with pytest.raises(NotFound):
        await resend(caller=hooks.caller, webhook_id=UUID(int=1), delivery_id=dead.id)


async def test_an_endpoint_that_is_gone_is_turned_off(hooks: Hooks, receiver: Receiver) -> None:
    """By a 410, audited; turning it on again delivers what has come since."""
    webhook, _ = await hooks.add(receiver.url)
    receiver.behaves = status(410)
    await hooks.rename(hooks.admin)
    await hooks.send()

    (off,) = await ListWebhooks(hooks.ports.units)(caller=hooks.caller)
    assert (off.is_active, off.disabled_reason) == (False, "gone")
    assert ("users.webhook_disabled", "failed") in await hooks.ports.audited()
    receiver.behaves = status(204)
    await hooks.rename(hooks.admin, "Third Name")
    assert await hooks.send() == 0
    await hooks.update(caller=hooks.caller, webhook_id=webhook.id, changes=WebhookChanges(is_active=True))
    assert await hooks.send() == 1
    assert [each.state for each in await hooks.deliveries(webhook)] == [
        DeliveryState.DELIVERED,
        DeliveryState.DEAD,
    ]


async def test_one_that_hangs_leaves_room_for_the_others(hooks: Hooks) -> None:
    """Two attempts at a time are all that one endpoint gets."""
    poster = HttpWebhookPoster(Destinations(allows_http=True, networks=LOOPBACK))
    send = SendWebhooks(hooks.ports.units, SECRETS, poster, hooks.ports.clock)
    released = threading.Event()

    def wait(handler: BaseHTTPRequestHandler) -> None:
        released.wait()
        status(204)(handler)

    with Receiver() as slow, Receiver() as quick:
        slow.behaves = wait
        await hooks.add(slow.url)
        await hooks.add(quick.url)
        for number in range(6):
            await hooks.rename(hooks.admin, f"Name {number}")
        sending = asyncio.create_task(send())
        await asyncio.to_thread(wait_for, partial(_has_received, quick, 6))

        assert len(slow.messages) == 2
        released.set()
        await sending
        assert len(slow.messages) == 6


async def test_a_message_is_sent_when_it_is_queued(
    hooks: Hooks, receiver: Receiver, emptied_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whichever instance hears of it, although nothing is looked for within the test's time."""
    monkeypatch.setattr(webhook_delivery, "EVERY_SECONDS", 3600.0)
    monkeypatch.setattr(webhook_delivery, "IDLE_SECONDS", 3600.0)
    await hooks.add(receiver.url)
    send = SendWebhooks(hooks.ports.units, SECRETS, POSTER, hooks.ports.clock)
    channels = {CHANNEL: send.may_be_due.set}
    url = emptied_database.url("user_service")
    async with open_listening(url, application_name="test", channels=channels, lost=send.may_be_due.set):
        running = asyncio.create_task(send.run())
        await asyncio.sleep(0.5)
        for number in range(2):
            await hooks.rename(hooks.admin, f"Name {number}")
            await asyncio.to_thread(wait_for, partial(_has_received, receiver, number + 1))
        running.cancel()


async def test_the_next_attempt_is_known(hooks: Hooks, receiver: Receiver) -> None:
    """So that nothing is looked for before; messages to an endpoint that is off do not count."""
    webhook, _ = await hooks.add(receiver.url)
    receiver.behaves = status(500)

    async def next_due() -> timedelta | None:
        async with hooks.ports.units.statements() as unit:
            return await unit.webhooks.next_due()

    before = await next_due()
    await hooks.rename(hooks.admin)
    queued = await next_due()
    await hooks.send()
    failed = await next_due()
    await hooks.update(caller=hooks.caller, webhook_id=webhook.id, changes=WebhookChanges(is_active=False))

    assert before is None
    assert queued is not None
    assert queued <= timedelta(0)
    assert failed is not None
    assert timedelta(0) < failed <= WAITS[0] * 1.2
    assert await next_due() is None


class FaultyPoster(HttpWebhookPoster):
    """Has a bug that the paths `/bug` and `/odd` meet."""

    async def __call__(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Posts what is for other paths."""
        if url.endswith("/bug"):
            raise ZeroDivisionError
        return 2**40 if url.endswith("/odd") else await super().__call__(url, headers, body)


async def test_a_bug_that_one_message_meets_does_not_disturb_the_others(
    hooks: Hooks, receiver: Receiver
) -> None:
    """The message fails like others, or is sent again when its lease ends; the task goes on."""
    poster = FaultyPoster(Destinations(allows_http=True, networks=LOOPBACK))
    unposted, _ = await hooks.add(receiver.url.replace("/hook", "/bug"))
    unrecorded, _ = await hooks.add(receiver.url.replace("/hook", "/odd"))
    sound, _ = await hooks.add(receiver.url)
    send = SendWebhooks(hooks.ports.units, SECRETS, poster, hooks.ports.clock)
    running = asyncio.create_task(send.run())
    unreadable = "UPDATE users.webhook_deliveries SET event = 'user.unheard_of' WHERE webhook_id = $1"
    for number in range(3):
        await hooks.rename(hooks.admin, f"Name {number}")
        send.may_be_due.set()
        await asyncio.to_thread(wait_for, partial(_has_received, receiver, number + 1))
        await hooks.ports.pool.execute(unreadable, unrecorded.id)

    async def all_are_recorded() -> bool:
        return {each.state for each in await hooks.deliveries(sound)} == {DeliveryState.DELIVERED}

    # The answer is received first.
    await until(all_are_recorded)
    assert not running.done()
    running.cancel()
    assert {(each.state, each.last_error) for each in await hooks.deliveries(unposted)} == {
        (DeliveryState.PENDING, undelivered.FAULT)
    }


def _has_received(receiver: Receiver, count: int) -> bool:
    return len(receiver.messages) == count


async def test_instances_share_the_work(hooks: Hooks, receiver: Receiver) -> None:
    """Each message is claimed by one of them."""
    await hooks.add(receiver.url)
    for number in range(10):
        await hooks.rename(hooks.admin, f"Name {number}")
    others = [SendWebhooks(hooks.ports.units, SECRETS, POSTER, hooks.ports.clock) for _ in range(3)]

    assert sum(await asyncio.gather(*(send() for send in others))) == 10
    assert len(receiver.messages) == 10

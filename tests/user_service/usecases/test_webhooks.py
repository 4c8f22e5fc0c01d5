"""Webhooks on a real Postgres, delivered to a real HTTP endpoint."""

import asyncio
import base64
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest
from chassis.errors import Invalid, NotFound, TokenRevoked, Unavailable
from chassis.identity.role import Role
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError
from user_service.adapters.webhook_poster import HttpWebhookPoster
from user_service.adapters.webhook_secrets import SealedWebhookSecrets
from user_service.domain.accounts import Registration
from user_service.domain.announcements import announce
from user_service.domain.errors import TooManyWebhooks
from user_service.domain.user import Changes, User
from user_service.domain.webhook import WAITS, DeliveryState, Undelivered, UrlRefused, UserEvent, Webhook
from user_service.usecases.erasure import DeleteUser
from user_service.usecases.registration import AdmitUser
from user_service.usecases.user_changes import UpdateUser
from user_service.usecases.webhook_delivery import PurgeDeliveries, SendWebhooks, wait_after
from user_service.usecases.webhooks import (
    CreateWebhook,
    DeleteWebhook,
    ListWebhookDeliveries,
    ListWebhooks,
    ResendWebhookDelivery,
    RotateWebhookSecret,
    UpdateWebhook,
    WebhookChanges,
)

from tests.user_service.builders import a_user, an_admin, caller_of
from tests.user_service.usecases.conftest import Ports
from tests.webhook_receiver import Receiver, endless, hang, status

SECRETS = SealedWebhookSecrets([b"k" * 32])
LOOPBACK = (ip_network("127.0.0.0/8"),)
POSTER = HttpWebhookPoster(allows_http=True, networks=LOOPBACK, seconds_max=1.0)
EVERYTHING = tuple(UserEvent)


@pytest.fixture(name="receiver")
def _receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


class Hooks:
    """The use cases, called by an admin."""

    def __init__(self, ports: Ports, admin: User) -> None:
        ports.clock.time = datetime.now(UTC)  # Verifiers refuse old messages.
        self.ports, self.admin, self.caller = ports, admin, caller_of(admin)
        units, clock = ports.units, ports.clock
        self.create = CreateWebhook(units, SECRETS, POSTER, clock)
        self.update = UpdateWebhook(units, POSTER, clock)
        self.send = SendWebhooks(units, SECRETS, POSTER, clock)
        self.change = UpdateUser(units, ports.accounts, clock)

    async def add(self, url: str, events: tuple[UserEvent, ...] = EVERYTHING) -> tuple[Webhook, str]:
        """Adds an endpoint."""
        return await self.create(caller=self.caller, url=url, events=events, description="")

    async def rename(self, user: User, name: str = "Another Name") -> None:
        """Changes a user, which announces it."""
        await self.change(caller=self.caller, user_id=user.id, changes=Changes(full_name=name))

    async def deliveries(self, webhook: Webhook) -> list[Any]:
        """Returns the deliveries to an endpoint, the newest first."""
        listed = ListWebhookDeliveries(self.ports.units)
        found, _ = await listed(caller=self.caller, webhook_id=webhook.id, state=None, page=1, page_size=100)
        return found

    async def make_due(self) -> None:
        """Lets the wait until the next attempt pass."""
        await self.ports.pool.execute("UPDATE users.webhook_deliveries SET due_at = now()")


@pytest.fixture(name="hooks")
async def _hooks(ports: Ports) -> Hooks:
    admin = an_admin()
    await ports.add(admin)
    return Hooks(ports, admin)


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
    with Receiver() as slow, Receiver() as quick:
        slow.behaves = hang(0.8)
        await hooks.add(slow.url)
        await hooks.add(quick.url)
        for number in range(6):
            await hooks.rename(hooks.admin, f"Name {number}")
        sending = asyncio.create_task(hooks.send())
        await asyncio.sleep(0.6)

        assert len(quick.messages) == 6
        assert len(slow.messages) == 2
        await sending


async def test_instances_share_the_work(hooks: Hooks, receiver: Receiver) -> None:
    """Each message is claimed by one of them."""
    await hooks.add(receiver.url)
    for number in range(10):
        await hooks.rename(hooks.admin, f"Name {number}")
    others = [SendWebhooks(hooks.ports.units, SECRETS, POSTER, hooks.ports.clock) for _ in range(3)]

    assert sum(await asyncio.gather(*(send() for send in others))) == 10
    assert len(receiver.messages) == 10


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


async def test_without_the_master_key_nothing_is_sent(hooks: Hooks, receiver: Receiver) -> None:
    """Creating is refused, and messages wait for the key."""
    webhook, _ = await hooks.add(receiver.url)
    await hooks.rename(hooks.admin)
    without = SealedWebhookSecrets(())
    with pytest.raises(Unavailable):
        await replace(hooks.create, secrets=without)(
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
    """Delivered ones after a week, dead ones after a month."""
    webhook, _ = await hooks.add(receiver.url)
    await hooks.rename(hooks.admin)
    await hooks.send()
    purge = PurgeDeliveries(hooks.ports.units)
    assert await purge() == 0
    await hooks.ports.pool.execute("UPDATE users.webhook_deliveries SET due_at = now() - interval '8 days'")

    assert await purge() == 1
    assert await hooks.deliveries(webhook) == []


STRICT = HttpWebhookPoster()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https:///path",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://[::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::1]/",
        "https://224.0.0.1/",
        "https://[ff02::1]/",
    ],
)
async def test_urls_that_lead_inside_are_refused(hooks: Hooks, url: str) -> None:
    """When the endpoint is added, on the field, and once more when it would be posted to."""
    with pytest.raises(UrlRefused):
        STRICT.check(url)
    with pytest.raises(Undelivered):
        await STRICT(url, {}, b"{}")
    with pytest.raises(Invalid) as caught:
        await replace(hooks.create, poster=STRICT)(
            caller=hooks.caller, url=url, events=EVERYTHING, description=""
        )
    assert [error.field for error in caught.value.field_errors] == ["url"]


@pytest.mark.parametrize("inside", [["10.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::1"]])
async def test_names_that_resolve_to_the_inside_are_refused(
    monkeypatch: pytest.MonkeyPatch, inside: list[str]
) -> None:
    """Whatever the name was at the time it was added; one such address among public ones is enough."""

    async def resolved(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in inside]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)

    with pytest.raises(Undelivered, match="private network"):
        await STRICT("https://hooks.example.com/", {}, b"{}")


async def test_the_address_that_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """A second look-up, which could give another address, is not made."""
    looked_up = []
    loop = asyncio.get_running_loop()
    original = loop.getaddrinfo

    async def once(host: str, *rest: Any, **named: Any) -> Any:
        looked_up.append(host)
        return await original("127.0.0.1" if host == "hooks.test" else host, *rest, **named)

    monkeypatch.setattr(loop, "getaddrinfo", once)
    port = receiver.url.split(":")[2]

    assert await POSTER(f"http://hooks.test:{port}", {}, b"{}") == 204
    assert looked_up.count("hooks.test") == 1
    assert receiver.messages[0].headers["host"] == f"hooks.test:{port.removesuffix('/hook')}"

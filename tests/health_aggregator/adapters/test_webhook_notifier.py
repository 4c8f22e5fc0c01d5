"""Webhooks: signed, retried, in order, and never holding anything up."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

from chassis.clock import SystemClock
from devstack.program import free_port
from health_aggregator.adapters.target_file import Webhook
from health_aggregator.adapters.webhook_notifier import WebhookNotifier
from health_aggregator.domain.state import Change, State

from tests.chassis.waiting import until
from tests.health_aggregator import wire

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef").decode()
DOWN = Change(1, "postgres", State.DOWN, State.UP, datetime(2026, 11, 23, tzinfo=UTC), "refuses connections")
UP = Change(2, "postgres", State.UP, State.DOWN, datetime(2026, 11, 23, 1, tzinfo=UTC))


class Receiver:
    """A receiver of webhooks that answers what it is told."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.requests: list[tuple[dict[str, str], bytes]] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((headers, body))
        status = self._statuses.pop(0) if self._statuses else 204
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()


async def test_retries_until_it_is_delivered_and_signs_each_try() -> None:
    """The id stays the same, so that a receiver can tell a repetition."""
    receiver = Receiver(500, 429, 200)
    async with wire.serving(receiver.talk) as port:
        notifier = WebhookNotifier(
            Webhook(f"http://127.0.0.1:{port}/hook", SECRET), SystemClock(), first_retry_seconds=0.01
        )
        sending = asyncio.ensure_future(notifier())
        notifier.publish([DOWN, UP])
        await until(lambda: len(receiver.requests) == 4)
        sending.cancel()

    assert sorted(
        [headers["webhook-id"] for headers, _ in receiver.requests].count(each)
        for each in {headers["webhook-id"] for headers, _ in receiver.requests}
    ) == [1, 3]
    for headers, body in receiver.requests:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.digest(b"0123456789abcdef", signed, hashlib.sha256)).decode()
        assert f"v1,{wanted}" == headers["webhook-signature"]
    told = [json.loads(body)["data"] for _, body in receiver.requests]
    assert [each["state"] for each in told] == ["down", "down", "down", "up"]
    assert (told[0]["error"], told[0]["at"]) == ("refuses connections", "2026-11-23T00:00:00.000Z")


async def test_gives_up_what_is_refused_for_good() -> None:
    """A 400 will not become better; the next notice is sent all the same."""
    receiver = Receiver(400)
    async with wire.serving(receiver.talk) as port:
        notifier = WebhookNotifier(Webhook(f"http://127.0.0.1:{port}/", SECRET), SystemClock())
        sending = asyncio.ensure_future(notifier())
        notifier.publish([DOWN, UP])
        await until(lambda: len(receiver.requests) == 2)
        sending.cancel()

    assert [json.loads(body)["data"]["state"] for _, body in receiver.requests] == ["down", "up"]


async def test_a_backlog_is_bounded() -> None:
    """While nobody listens, the newest thousand wait."""
    notifier = WebhookNotifier(Webhook(f"http://127.0.0.1:{free_port()}/", SECRET), SystemClock())
    for _ in range(50):
        notifier.publish([DOWN] * 100)

    assert len(notifier._waiting) == 1000


async def test_only_the_writer_of_history_sends() -> None:
    """Of several aggregators one speaks."""
    notifier = WebhookNotifier(Webhook("http://127.0.0.1:1/", SECRET), SystemClock(), allowed=lambda: False)
    notifier.publish([DOWN])

    assert len(notifier._waiting) == 0

"""Webhooks: signed, retried, in order, with a bounded queue."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime

from chassis.clock import SystemClock
from devstack.ports import free_port
from health_aggregator.adapters.target_file import Webhook
from health_aggregator.adapters.webhook_notifier import WebhookNotifier
from health_aggregator.domain.state import Change, State

from tests.chassis.waiting import until
from tests.health_aggregator import servers

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef").decode()
DOWN = Change(1, "postgres", State.DOWN, State.UP, datetime(2026, 11, 23, tzinfo=UTC), "refuses connections")
UP = Change(2, "postgres", State.UP, State.DOWN, datetime(2026, 11, 23, 1, tzinfo=UTC))


def _webhook(url: str) -> Webhook:
    return Webhook(url=url, secret=SECRET)


class Receiver:
    """A receiver of webhooks that responds with the given statuses, then 204."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.requests: list[tuple[dict[str, str], bytes]] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handles one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((headers, body))
        status = self._statuses.pop(0) if self._statuses else 204
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()


async def test_retries_and_signs_each_attempt() -> None:
    """The id stays the same, so that a receiver can detect a repetition."""
    receiver = Receiver(500, 429, 200)
    async with servers.serving(receiver.talk) as port:
        notifier = WebhookNotifier(
            _webhook(f"http://127.0.0.1:{port}/hook"), SystemClock(), first_retry_seconds=0.01
        )
        sending = asyncio.ensure_future(notifier.run())
        notifier.changed([DOWN, UP])
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
    sent = [json.loads(body)["data"] for _, body in receiver.requests]
    assert [each["state"] for each in sent] == ["down", "down", "down", "up"]
    assert (sent[0]["error"], sent[0]["at"]) == ("refuses connections", "2026-11-23T00:00:00.000Z")


async def test_drops_what_is_refused() -> None:
    """A 400 is not retried; the next notice is sent."""
    receiver = Receiver(400)
    async with servers.serving(receiver.talk) as port:
        notifier = WebhookNotifier(_webhook(f"http://127.0.0.1:{port}/"), SystemClock())
        sending = asyncio.ensure_future(notifier.run())
        notifier.changed([DOWN, UP])
        await until(lambda: len(receiver.requests) == 2)
        sending.cancel()

    assert [json.loads(body)["data"]["state"] for _, body in receiver.requests] == ["down", "up"]


async def test_the_queue_is_bounded() -> None:
    """While the receiver is down, the newest thousand notices wait."""
    notifier = WebhookNotifier(_webhook(f"http://127.0.0.1:{free_port()}/"), SystemClock())
    for _ in range(50):
        notifier.changed([DOWN] * 100)

    assert len(notifier._waiting) == 1000


async def test_only_the_writer_of_history_sends() -> None:
    """Of several aggregators only one sends."""
    notifier = WebhookNotifier(_webhook("http://127.0.0.1:1/"), SystemClock(), allowed=lambda: False)
    notifier.changed([DOWN])

    assert len(notifier._waiting) == 0

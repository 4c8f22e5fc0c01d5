"""Sends changes to webhooks: signed, retried, and without delaying checks.

Bodies and headers follow Standard Webhooks (standardwebhooks.com): the signature is an HMAC-SHA256
over `id.timestamp.body`, by which a receiver recognises the sender and detects replays.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import random
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from chassis.clock import Clock
from chassis.dataclass import dataclass
from chassis.http.client import NotHttp, Progress, TooLarge, exchange
from chassis.ids import uuid7
from prometheus_client import Counter

from health_aggregator.adapters.target_file import Webhook
from health_aggregator.domain.observer import Observer
from health_aggregator.domain.state import Change

log = structlog.get_logger()

_SENT = Counter("health_notices", "Notices to webhooks, by outcome.", ["outcome"])
_WAITING = 1000
_ATTEMPTS = 10
_FIRST_RETRY_SECONDS = 1.0
_RETRY_SECONDS_MAX = 300.0
_TIMEOUT_SECONDS = 5.0
_TOO_MANY = 429
_OK = range(200, 300)
_RETRIED = frozenset({408, 409, 425, _TOO_MANY})


@dataclass(frozen=True, slots=True)
class _Notice:
    identifier: str
    body: bytes


class WebhookNotifier(Observer):
    """Sends each change to one webhook, in order.

    Args:
        webhook: URL, and the key of the signature.
        clock: Dates the signature.
        allowed: Whether this aggregator is the one that sends; called for each change.
    """

    def __init__(
        self,
        webhook: Webhook,
        clock: Clock,
        allowed: Callable[[], bool] = lambda: True,
        first_retry_seconds: float = _FIRST_RETRY_SECONDS,
    ) -> None:
        self._webhook = webhook
        self._clock = clock
        self._allowed = allowed
        self._first_retry_seconds = first_retry_seconds
        self._waiting: deque[_Notice] = deque()
        self._woken = asyncio.Event()

    def changed(self, changes: Sequence[Change]) -> None:
        """Queues changes; the oldest are dropped when more than a thousand wait."""
        if not self._allowed():
            return
        for change in changes:
            if len(self._waiting) >= _WAITING:
                self._waiting.popleft()
                _SENT.labels("dropped").inc()
            self._waiting.append(_Notice(f"msg_{uuid7()}", _body(change)))
        self._woken.set()

    async def run(self) -> None:
        """Sends, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._waiting:
                await self._deliver(self._waiting.popleft())

    async def _deliver(self, notice: _Notice) -> None:
        wait_seconds = self._first_retry_seconds
        for attempt in range(1, _ATTEMPTS + 1):
            problem, again = await self._send(notice)
            if problem is None:
                _SENT.labels("delivered").inc()
                return
            log.warning("webhook delivery failed", problem=problem, attempt=attempt, notice=notice.identifier)
            if not again:
                break
            await asyncio.sleep(wait_seconds * random.uniform(0.5, 1.0))  # noqa: S311 spreads load
            wait_seconds = min(wait_seconds * 2, _RETRY_SECONDS_MAX)
        _SENT.labels("given_up").inc()

    async def _send(self, notice: _Notice) -> tuple[str | None, bool]:
        """Returns what went wrong, if anything, and whether a retry makes sense."""
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notice.identifier,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(self._webhook.secret, notice.identifier, timestamp, notice.body),
        }
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                answer = await exchange(
                    self._webhook.url, progress=Progress(), method="POST", headers=headers, body=notice.body
                )
        except (OSError, TimeoutError, NotHttp, TooLarge) as error:
            return type(error).__name__, True
        if answer.status in _OK:
            return None, False
        again = answer.status >= 500 or answer.status in _RETRIED  # noqa: PLR2004
        return f"status {answer.status}", again


def sign(secret: str, identifier: str, timestamp: str, body: bytes) -> str:
    """Returns the signature of a notice.

    Args:
        secret: Shared with the receiver; `whsec_` and base64, or any text.
        identifier: The notice's id; the same for each attempt.
        timestamp: Unix seconds of this attempt.
        body: The body as sent.
    """
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    signed = b".".join((identifier.encode(), timestamp.encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def _body(change: Change) -> bytes:
    at = change.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {
        "name": change.name,
        "state": change.state.value,
        "previous": change.previous.value,
        "at": at,
        "error": change.error,
        "caused_by": change.caused_by,
    }
    return json.dumps({"type": "health.component.changed", "timestamp": at, "data": data}).encode()

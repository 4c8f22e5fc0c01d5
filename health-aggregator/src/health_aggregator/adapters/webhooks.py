"""The webhooks that are configured now."""

import asyncio
from collections.abc import Callable, Sequence

from chassis.clock import Clock

from health_aggregator.adapters.target_file import Webhook
from health_aggregator.adapters.webhook_notifier import WebhookNotifier
from health_aggregator.domain.state import Change


class Webhooks:
    """Runs one notifier a webhook; one that stays configured keeps what it has not yet sent."""

    def __init__(self, clock: Clock, allowed: Callable[[], bool]) -> None:
        self._clock = clock
        self._allowed = allowed
        self._running: dict[Webhook, tuple[WebhookNotifier, asyncio.Task[None]]] = {}

    def take_up(self, webhooks: Sequence[Webhook]) -> None:
        """Sends to these from now on."""
        for webhook in [webhook for webhook in self._running if webhook not in webhooks]:
            self._running.pop(webhook)[1].cancel()
        for webhook in webhooks:
            if webhook not in self._running:
                notifier = WebhookNotifier(webhook, self._clock, self._allowed)
                self._running[webhook] = notifier, asyncio.ensure_future(notifier())

    def publish(self, changes: Sequence[Change]) -> None:
        """Hands changes to every webhook."""
        for notifier, _ in self._running.values():
            notifier.publish(changes)

    def close(self) -> None:
        """Stops sending."""
        self.take_up(())

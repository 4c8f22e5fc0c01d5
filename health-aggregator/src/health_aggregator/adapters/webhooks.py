"""The configured webhooks."""

import asyncio
from collections.abc import Callable, Sequence

from chassis.clock import Clock

from health_aggregator.adapters.target_file import Webhook
from health_aggregator.adapters.webhook_notifier import WebhookNotifier
from health_aggregator.domain.observer import Observer
from health_aggregator.domain.state import Change


class Webhooks(Observer):
    """Runs one notifier per webhook; one that stays configured keeps its queue."""

    def __init__(self, clock: Clock, allowed: Callable[[], bool]) -> None:
        self._clock = clock
        self._allowed = allowed
        self._running: dict[Webhook, tuple[WebhookNotifier, asyncio.Task[None]]] = {}

    def set(self, webhooks: Sequence[Webhook]) -> None:
        """Sends to these webhooks from now on."""
        for webhook in [webhook for webhook in self._running if webhook not in webhooks]:
            self._running.pop(webhook)[1].cancel()
        for webhook in webhooks:
            if webhook not in self._running:
                notifier = WebhookNotifier(webhook, self._clock, self._allowed)
                self._running[webhook] = notifier, asyncio.ensure_future(notifier.run())

    def changed(self, changes: Sequence[Change]) -> None:
        """Queues changes for every webhook."""
        for notifier, _ in self._running.values():
            notifier.changed(changes)

    def close(self) -> None:
        """Stops sending."""
        self.set(())

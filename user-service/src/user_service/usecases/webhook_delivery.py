"""Delivering webhook messages."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

import structlog
from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import ServiceError
from chassis.identity.caller import ANONYMOUS

from chassis import ticks
from user_service.domain import undelivered
from user_service.domain.audit import Action, Outcome, entry
from user_service.domain.undelivered import Undelivered
from user_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from user_service.domain.webhook import (
    ATTEMPTS_LEASE,
    KEPT_DEAD,
    KEPT_DELIVERED,
    WAITS,
    Attempt,
    Delivery,
    DeliveryState,
    Webhook,
    WebhookPoster,
    WebhookSecrets,
)

log = structlog.get_logger()

EVERY_SECONDS = 1.0
"""How often what is due is looked for, while something is pending."""

IDLE_SECONDS = 5.0
"""How often otherwise, in case that a notification was missed."""

AT_ONCE = 8
"""Concurrent attempts."""

TO_ONE_ENDPOINT = 2
"""Concurrent attempts at one endpoint, so that one that hangs leaves room for the others."""

_SPREAD = 0.2
_SUCCESSES = range(200, 300)


class SendWebhooks:
    """Posts every message that is due, each at least once; several instances may do it at once.

    No connection is held while an endpoint is asked.

    Attributes:
        may_be_due: Set from outside to have `run` look now.
    """

    def __init__(
        self, units: UnitsOfWork, secrets: WebhookSecrets, poster: WebhookPoster, clock: Clock
    ) -> None:
        self._units = units
        self._secrets = secrets
        self._poster = poster
        self._clock = clock
        self.may_be_due = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._running: Counter[UUID] = Counter()
        self._workers = 0
        self._attempts = 0

    async def __call__(self) -> int:
        """Posts what is due now; returns how many attempts were made."""
        before = self._attempts
        async with asyncio.TaskGroup() as workers:
            await self._start_workers(workers)
        return self._attempts - before

    async def run(self) -> None:
        """Posts until cancelled. An endpoint that hangs keeps no other one waiting."""
        failing = False
        async with asyncio.TaskGroup() as workers:
            while True:
                pause_seconds = EVERY_SECONDS
                try:
                    await self._start_workers(workers)
                    pause_seconds = await self._pause_seconds()
                    failing = False
                except ServiceError as error:
                    if not failing:
                        log.warning("webhooks are not delivered; retrying", reason=error.reason)
                    failing = True
                except Exception:
                    # Ending here would cut off the attempts that are being made.
                    if not failing:
                        log.exception("webhooks are not delivered; retrying")
                    failing = True
                with suppress(TimeoutError):
                    async with asyncio.timeout(ticks.about(pause_seconds)):
                        await self.may_be_due.wait()
                self.may_be_due.clear()

    async def _pause_seconds(self) -> float:
        """Returns how long to wait until a message may be due, between two looks."""
        async with self._units.statements() as unit:
            wait = await unit.webhooks.next_due()
        seconds = IDLE_SECONDS if wait is None else wait.total_seconds()
        return min(max(seconds, EVERY_SECONDS), IDLE_SECONDS)

    async def _start_workers(self, workers: asyncio.TaskGroup) -> None:
        while self._workers < AT_ONCE and (claimed := await self._claim()):
            self._workers += 1
            workers.create_task(self._work(*claimed))

    async def _work(self, delivery: Delivery, webhook: Webhook) -> None:
        claimed: tuple[Delivery, Webhook] | None = (delivery, webhook)
        try:
            while claimed is not None:
                try:
                    await self._attempt(*claimed)
                finally:
                    self._running[claimed[1].id] -= 1
                claimed = await self._claim()
        except ServiceError as error:
            # Its lease ends, and then it is tried again.
            log.warning("webhook attempt not recorded; retrying", reason=error.reason)
        except Exception:
            # As above: one message must not end the attempts of the others.
            log.exception("webhook attempt not recorded; retrying")
        finally:
            self._workers -= 1

    async def _claim(self) -> tuple[Delivery, Webhook] | None:
        async with self._claiming:
            busy = [webhook_id for webhook_id, count in self._running.items() if count >= TO_ONE_ENDPOINT]
            async with self._units.statements() as unit:
                claimed = await unit.webhooks.claim(ATTEMPTS_LEASE, but=busy)
            if claimed is not None:
                self._running[claimed[1].id] += 1
            return claimed

    async def _attempt(self, delivery: Delivery, webhook: Webhook) -> None:
        self._attempts += 1
        try:
            attempt = _ended(await self._post(delivery, webhook), delivery.attempts)
        except Undelivered as error:
            attempt = Attempt(status=None, error=str(error), wait=wait_after(delivery.attempts))
        except Exception:
            log.exception("webhook attempt failed", webhook_id=str(webhook.id), delivery_id=str(delivery.id))
            attempt = Attempt(status=None, error=undelivered.FAULT, wait=wait_after(delivery.attempts))
        if attempt.state is DeliveryState.DEAD:
            log.warning(
                "webhook message given up",
                webhook_id=str(webhook.id),
                delivery_id=str(delivery.id),
                status=attempt.status,
                error=attempt.error,
            )
        async with self._units.transaction() as unit:
            # The endpoint is locked before its delivery, as when an admin deletes both.
            if attempt.status == HTTPStatus.GONE:
                await self._turn_off(unit, webhook.id)
            await unit.webhooks.note(delivery, attempt)

    async def _post(self, delivery: Delivery, webhook: Webhook) -> int:
        """Posts a message; returns the response's status.

        Raises:
            Undelivered: there was no response.
        """
        now, body = self._clock.now(), delivery.body
        headers = {
            "Content-Type": "application/json",
            "webhook-id": str(delivery.id),
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._secrets.sign(webhook, delivery.id, now, body),
        }
        return await self._poster(webhook.url, headers, body)

    async def _turn_off(self, unit: UnitOfWork, webhook_id: UUID) -> None:
        """Turns an endpoint off that said it is gone, unless an admin did before."""
        webhook = await unit.webhooks.lock(webhook_id)
        if webhook is None or not webhook.is_active:
            return
        off = replace(webhook, is_active=False, disabled_reason="gone", updated_at=self._clock.now())
        await unit.webhooks.save(off)
        details = {"webhook": str(webhook_id), "reason": "GONE"}
        await unit.outbox.audit(
            entry(Action.WEBHOOK_DISABLED, ANONYMOUS, details=details, outcome=Outcome.FAILED)
        )


class PurgeDeliveries(Component):
    """Deletes deliveries that were made a week ago, or given up a month ago; also those that waited so long.

    Only for an endpoint that is off do they wait for long.
    """

    units: UnitsOfWork

    async def __call__(self) -> int:
        """Returns how many."""
        async with self.units.statements() as unit:
            return await unit.webhooks.purge(KEPT_DELIVERED, KEPT_DEAD)


class ResealWebhooks(Component):
    """Seals secrets under the newest master key, so that a former one need not be accepted any more."""

    units: UnitsOfWork
    secrets: WebhookSecrets

    async def __call__(self) -> int:
        """Returns how many webhooks were sealed again."""
        async with self.units.transaction() as unit:
            locked = [await unit.webhooks.lock(webhook.id) for webhook in await unit.webhooks.all()]
            again = [self.secrets.sealed_again(webhook) for webhook in locked if webhook is not None]
            changed = [webhook for webhook in again if webhook is not None]
            for webhook in changed:
                await unit.webhooks.save(webhook)
        return len(changed)


def _ended(status: int, attempts: int) -> Attempt:
    """Returns how an attempt ended that got a response. A redirect is a failure: it is not followed."""
    if status in _SUCCESSES:
        return Attempt(status=status, error=None)
    wait = None if status == HTTPStatus.GONE else wait_after(attempts)
    return Attempt(status=status, error=undelivered.STATUS.format(n=status), wait=wait)


def wait_after(attempts: int) -> timedelta | None:
    """Returns how long to wait after this number of attempts; None after the last."""
    if attempts > len(WAITS):
        return None
    return WAITS[attempts - 1] * random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - jitter

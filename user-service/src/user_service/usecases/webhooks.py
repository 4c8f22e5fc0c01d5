"""Webhooks: adding, changing and removing endpoints, and looking after their deliveries."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from chassis.clock import Clock
from chassis.component import Component
from chassis.errors import Invalid, NotFound, StoredResponseExpired
from chassis.idempotency.record import IdempotencyRecord
from chassis.idempotency.run_once import record_outcome, recorded_outcome
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from user_service.domain.audit import Action, entry
from user_service.domain.errors import TooManyWebhooks
from user_service.domain.unit_of_work import UnitOfWork, UnitsOfWork
from user_service.domain.webhook import (
    FORMER_SECRET_LIFETIME,
    Delivery,
    DeliveryState,
    UrlRefused,
    UserEvent,
    Webhook,
    WebhookChanges,
    WebhookPoster,
    WebhookSecrets,
)
from user_service.usecases.callers import require_admin


class CreateWebhook(Component):
    """Adds an endpoint with a new secret."""

    units: UnitsOfWork
    secrets: WebhookSecrets
    poster: WebhookPoster
    clock: Clock

    async def __call__(
        self,
        *,
        caller: Caller,
        url: str,
        events: Sequence[UserEvent],
        description: str,
        idempotency: IdempotencyRecord | None = None,
    ) -> tuple[Webhook, str]:
        """Returns the endpoint and its secret; those of before on a retry.

        Raises:
            Invalid: nothing would be posted to the URL.
            StoredResponseExpired: it was added before and has been removed since.
            TooManyWebhooks: there are as many as there may be.
            TokenRevoked: the caller is no longer an active admin.
            Unavailable: there is no master key.
        """
        _check(self.poster, url)
        now, webhook_id = self.clock.now(), uuid7()
        async with self.units.transaction() as unit:
            await require_admin(unit, caller)
            if (outcome := recorded_outcome(idempotency)) is not None:
                return await _revealed(unit, self.secrets, outcome)
            secret, sealed = self.secrets.draw(webhook_id)
            webhook = Webhook(
                id=webhook_id,
                url=url,
                events=_ordered(events),
                description=description,
                sealed_secret=sealed,
                created_at=now,
                updated_at=now,
            )
            if not await unit.webhooks.add(webhook):
                raise TooManyWebhooks
            await record_outcome(unit, idempotency, webhook_id)
            await _audit(unit, Action.WEBHOOK_CREATED, caller, webhook_id)
        return webhook, secret


class ListWebhooks(Component):
    """Returns every endpoint, the newest first."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller) -> list[Webhook]:
        """Returns the endpoints.

        Raises:
            TokenRevoked: the caller is no longer an active admin.
        """
        async with self.units.statements() as unit:
            await require_admin(unit, caller)
            return await unit.webhooks.all()


class GetWebhook(Component):
    """Returns an endpoint."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller, webhook_id: UUID) -> Webhook:
        """Returns the endpoint.

        Raises:
            NotFound: no such endpoint.
            TokenRevoked: the caller is no longer an active admin.
        """
        async with self.units.statements() as unit:
            await require_admin(unit, caller)
            return _existing(await unit.webhooks.find(webhook_id))


class UpdateWebhook(Component):
    """Changes an endpoint."""

    units: UnitsOfWork
    poster: WebhookPoster
    clock: Clock

    async def __call__(self, *, caller: Caller, webhook_id: UUID, changes: WebhookChanges) -> Webhook:
        """Returns the changed endpoint.

        Raises:
            Invalid: nothing would be posted to the URL.
            NotFound: no such endpoint.
            TokenRevoked: the caller is no longer an active admin.
        """
        if changes.url is not None:
            _check(self.poster, changes.url)
        given = changes.given
        if changes.events is not None:
            given["events"] = _ordered(changes.events)
        if changes.is_active:
            given["disabled_reason"] = None
        async with self.units.transaction() as unit:
            await require_admin(unit, caller)
            before = _existing(await unit.webhooks.lock(webhook_id))
            altered = {name: value for name, value in given.items() if value != getattr(before, name)}
            if not altered:
                return before
            after = replace(before, **altered, updated_at=self.clock.now())  # type: ignore[arg-type]
            await unit.webhooks.save(after)
            await _audit(unit, Action.WEBHOOK_UPDATED, caller, webhook_id, fields=",".join(sorted(altered)))
        return after


class RotateWebhookSecret(Component):
    """Replaces an endpoint's secret; the former one is signed with too for a while."""

    units: UnitsOfWork
    secrets: WebhookSecrets
    clock: Clock

    async def __call__(
        self, *, caller: Caller, webhook_id: UUID, idempotency: IdempotencyRecord | None = None
    ) -> tuple[Webhook, str]:
        """Returns the endpoint and its new secret; the present one on a retry.

        Raises:
            NotFound: no such endpoint.
            StoredResponseExpired: it was replaced before, and the endpoint has been removed since.
            TokenRevoked: the caller is no longer an active admin.
            Unavailable: there is no master key.
        """
        now = self.clock.now()
        async with self.units.transaction() as unit:
            await require_admin(unit, caller)
            if (outcome := recorded_outcome(idempotency)) is not None:
                return await _revealed(unit, self.secrets, outcome)
            before = _existing(await unit.webhooks.lock(webhook_id))
            secret, sealed = self.secrets.draw(webhook_id)
            after = replace(
                before,
                sealed_secret=sealed,
                sealed_former=before.sealed_secret,
                former_until=now + FORMER_SECRET_LIFETIME,
                updated_at=now,
            )
            await unit.webhooks.save(after)
            await record_outcome(unit, idempotency, webhook_id)
            await _audit(unit, Action.WEBHOOK_SECRET_ROTATED, caller, webhook_id)
        return after, secret


class DeleteWebhook(Component):
    """Removes an endpoint with its deliveries."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller, webhook_id: UUID) -> None:
        """Removes the endpoint.

        Raises:
            NotFound: no such endpoint.
            TokenRevoked: the caller is no longer an active admin.
        """
        async with self.units.transaction() as unit:
            await require_admin(unit, caller)
            if not await unit.webhooks.delete(webhook_id):
                raise NotFound
            await _audit(unit, Action.WEBHOOK_DELETED, caller, webhook_id)


class ListWebhookDeliveries(Component):
    """Lists the deliveries to an endpoint."""

    units: UnitsOfWork

    async def __call__(
        self,
        *,
        caller: Caller,
        webhook_id: UUID,
        state: DeliveryState | None,
        below: UUID | None,
        offset: int,
        limit: int,
    ) -> tuple[list[Delivery], int]:
        """Returns deliveries, the newest first, and how many there are.

        Args:
            caller: An admin.
            webhook_id: The endpoint.
            state: Only those in this state; None for all.
            below: Begin after the delivery with this id; None begins with the newest.
            offset: Deliveries to leave out first.
            limit: Return no more than these.

        Raises:
            NotFound: no such endpoint.
            TokenRevoked: the caller is no longer an active admin.
        """
        async with self.units.statements() as unit:
            await require_admin(unit, caller)
            _existing(await unit.webhooks.find(webhook_id))
            total = await unit.webhooks.count_deliveries(webhook_id, state)
            found = await unit.webhooks.deliveries(webhook_id, state, below=below, offset=offset, limit=limit)
        return found, total


class ResendWebhookDelivery(Component):
    """Has a message delivered again."""

    units: UnitsOfWork

    async def __call__(self, *, caller: Caller, webhook_id: UUID, delivery_id: UUID) -> Delivery:
        """Returns the delivery, which is pending again.

        Raises:
            NotFound: no such delivery to this endpoint.
            TokenRevoked: the caller is no longer an active admin.
        """
        async with self.units.transaction() as unit:
            await require_admin(unit, caller)
            delivery = await unit.webhooks.resend(webhook_id, delivery_id)
            if delivery is None:
                raise NotFound
            await _audit(unit, Action.WEBHOOK_RESENT, caller, webhook_id, delivery=str(delivery_id))
        return delivery


def _check(poster: WebhookPoster, url: str) -> None:
    try:
        poster.check(url)
    except UrlRefused as error:
        raise Invalid.on("url", str(error)) from error


def _ordered(events: Sequence[UserEvent]) -> tuple[UserEvent, ...]:
    """Returns the events without repetitions, in one order."""
    return tuple(event for event in UserEvent if event in events)


async def _revealed(unit: UnitOfWork, secrets: WebhookSecrets, webhook_id: UUID) -> tuple[Webhook, str]:
    """Returns an endpoint and its secret, for the retry of a call whose response was lost."""
    webhook = await unit.webhooks.find(webhook_id)
    if webhook is None:
        raise StoredResponseExpired
    return webhook, secrets.reveal(webhook)


def _existing(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise NotFound
    return webhook


async def _audit(unit: UnitOfWork, action: Action, caller: Caller, webhook_id: UUID, **details: str) -> None:
    await unit.outbox.audit(entry(action, caller, details={"webhook": str(webhook_id), **details}))

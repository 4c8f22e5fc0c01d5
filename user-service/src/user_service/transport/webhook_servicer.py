"""`vestibule.users.v1.WebhookService`: webhooks, for admins."""

from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.grpc.paging import cut, requested_page
from chassis.grpc.timestamps import timestamp
from chassis.idempotency.interceptor import current_idempotency
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.users.v1 import webhook_service_pb2 as pb
from vestibule.users.v1.webhook_service_pb2_grpc import WebhookServiceServicer

from user_service.domain.unit_of_work import UnitsOfWork
from user_service.domain.webhook import (
    Delivery,
    DeliveryState,
    UserEvent,
    Webhook,
    WebhookChanges,
    WebhookPoster,
    WebhookSecrets,
)
from user_service.usecases.webhooks import (
    CreateWebhook,
    DeleteWebhook,
    GetWebhook,
    ListWebhookDeliveries,
    ListWebhooks,
    ResendWebhookDelivery,
    RotateWebhookSecret,
    UpdateWebhook,
)


class WebhookServicer(WebhookServiceServicer):
    """Runs one use case per call."""

    def __init__(
        self, units: UnitsOfWork, secrets: WebhookSecrets, poster: WebhookPoster, clock: Clock
    ) -> None:
        self._create_webhook = CreateWebhook(units, secrets, poster, clock)
        self._list_webhooks = ListWebhooks(units)
        self._get_webhook = GetWebhook(units)
        self._update_webhook = UpdateWebhook(units, poster, clock)
        self._rotate_secret = RotateWebhookSecret(units, secrets, clock)
        self._delete_webhook = DeleteWebhook(units)
        self._list_deliveries = ListWebhookDeliveries(units)
        self._resend_delivery = ResendWebhookDelivery(units)

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, context: Any) -> pb.CreateWebhookResponse:
        """Adds an endpoint."""
        webhook, secret = await self._create_webhook(
            caller=current_caller(),
            url=request.url,
            events=[UserEvent(event) for event in request.events],
            description=request.description,
            idempotency=current_idempotency(),
        )
        return pb.CreateWebhookResponse(
            id=str(webhook.id),
            url=webhook.url,
            events=[event.value for event in webhook.events],
            description=webhook.description,
            is_active=webhook.is_active,
            created_at=timestamp(webhook.created_at),
            updated_at=timestamp(webhook.updated_at),
            secret=secret,
        )

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, context: Any) -> pb.ListWebhooksResponse:
        """Lists the endpoints."""
        webhooks = await self._list_webhooks(caller=current_caller())
        shown, pagination = cut(request, webhooks, lambda webhook: webhook.id)
        return pb.ListWebhooksResponse(webhooks=map(_webhook, shown), pagination=pagination)

    async def GetWebhook(self, request: pb.GetWebhookRequest, context: Any) -> pb.GetWebhookResponse:
        """Returns an endpoint."""
        webhook = await self._get_webhook(caller=current_caller(), webhook_id=UUID(request.webhook_id))
        return pb.GetWebhookResponse(webhook=_webhook(webhook))

    async def UpdateWebhook(self, request: pb.UpdateWebhookRequest, context: Any) -> pb.UpdateWebhookResponse:
        """Changes an endpoint."""
        changes = WebhookChanges(
            url=request.url if request.HasField("url") else None,
            events=[UserEvent(event) for event in request.events] or None,
            description=request.description if request.HasField("description") else None,
            is_active=request.is_active if request.HasField("is_active") else None,
        )
        webhook = await self._update_webhook(
            caller=current_caller(), webhook_id=UUID(request.webhook_id), changes=changes
        )
        return pb.UpdateWebhookResponse(webhook=_webhook(webhook))

    async def RotateWebhookSecret(
        self, request: pb.RotateWebhookSecretRequest, context: Any
    ) -> pb.RotateWebhookSecretResponse:
        """Replaces an endpoint's secret."""
        webhook, secret = await self._rotate_secret(
            caller=current_caller(),
            webhook_id=UUID(request.webhook_id),
            idempotency=current_idempotency(),
        )
        until = webhook.former_until
        return pb.RotateWebhookSecretResponse(
            secret=secret, former_until=None if until is None else timestamp(until)
        )

    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, context: Any) -> Empty:
        """Removes an endpoint."""
        await self._delete_webhook(caller=current_caller(), webhook_id=UUID(request.webhook_id))
        return Empty()

    async def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, context: Any
    ) -> pb.ListWebhookDeliveriesResponse:
        """Lists deliveries to an endpoint."""
        state = DeliveryState(request.state) if request.HasField("state") else None
        requested = requested_page(request, UUID, request.webhook_id, state)
        found, total = await self._list_deliveries(
            caller=current_caller(),
            webhook_id=UUID(request.webhook_id),
            state=state,
            below=requested.after,
            offset=requested.offset,
            limit=requested.limit,
        )
        shown, pagination = requested.page(found, total, lambda delivery: delivery.id)
        return pb.ListWebhookDeliveriesResponse(deliveries=map(_delivery, shown), pagination=pagination)

    async def ResendWebhookDelivery(
        self, request: pb.ResendWebhookDeliveryRequest, context: Any
    ) -> pb.ResendWebhookDeliveryResponse:
        """Has a message delivered again."""
        delivery = await self._resend_delivery(
            caller=current_caller(),
            webhook_id=UUID(request.webhook_id),
            delivery_id=UUID(request.delivery_id),
        )
        return pb.ResendWebhookDeliveryResponse(delivery=_delivery(delivery))


def _webhook(webhook: Webhook) -> pb.Webhook:
    return pb.Webhook(
        id=str(webhook.id),
        url=webhook.url,
        events=[event.value for event in webhook.events],
        description=webhook.description,
        is_active=webhook.is_active,
        disabled_reason=webhook.disabled_reason,
        created_at=timestamp(webhook.created_at),
        updated_at=timestamp(webhook.updated_at),
    )


def _delivery(delivery: Delivery) -> pb.WebhookDelivery:
    tried = delivery.last_attempt_at
    return pb.WebhookDelivery(
        id=str(delivery.id),
        event=delivery.announcement.event.value,
        user_id=str(delivery.announcement.user_id),
        state=delivery.state.value,
        attempts=delivery.attempts,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        occurred_at=timestamp(delivery.announcement.occurred_at),
        last_attempt_at=None if tried is None else timestamp(tried),
        next_attempt_at=timestamp(delivery.due_at) if delivery.state is DeliveryState.PENDING else None,
    )

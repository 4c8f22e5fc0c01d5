"""`vestibule.users.v1.WebhookService`: webhooks, for admins."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.dataclass import dataclass
from chassis.filter_mark import filter_mark
from chassis.grpc.timestamps import timestamp
from chassis.idempotency.interceptor import current_idempotency
from chassis.identity.caller import current_caller
from google.protobuf.empty_pb2 import Empty
from vestibule.api.v1.pagination_pb2 import Pagination
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
from user_service.transport import id_cursor
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

PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class _Place:
    """Which page of a list is asked for."""

    page: int
    size: int
    below: UUID | None
    mark: bytes

    @classmethod
    def of(
        cls, request: pb.ListWebhooksRequest | pb.ListWebhookDeliveriesRequest, *filters: str | None
    ) -> "_Place":
        """Reads it from a request for a list with such filters.

        Raises:
            Invalid: the cursor is not one of this list.
        """
        size, mark = request.page_size or PAGE_SIZE, filter_mark(*filters)
        if request.HasField("cursor"):
            cursor = id_cursor.decode(request.cursor, mark)
            return cls(cursor.page + 1, size, cursor.below, mark)
        return cls(request.page or 1, size, None, mark)

    def pagination(self, ids: Sequence[UUID], total: int) -> Pagination:
        """Returns the page's place in the list; `ids` has one more row when there is a next page."""
        has_next = len(ids) > self.size
        cursor = id_cursor.IdCursor(self.page, ids[self.size - 1], self.mark).text if has_next else None
        return Pagination(
            page=self.page,
            page_size=self.size,
            total_items=total,
            total_pages=-(-total // self.size),
            has_next=has_next,
            has_prev=self.page > 1,
            next_cursor=cursor,
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
        place = _Place.of(request)
        rows = [each for each in webhooks if place.below is None or each.id < place.below]
        start = 0 if place.below is not None else (place.page - 1) * place.size
        shown = rows[start : start + place.size + 1]
        return pb.ListWebhooksResponse(
            webhooks=[_webhook(each) for each in shown[: place.size]],
            pagination=place.pagination([each.id for each in shown], len(webhooks)),
        )

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
        place = _Place.of(request, request.webhook_id, state)
        found, total = await self._list_deliveries(
            caller=current_caller(),
            webhook_id=UUID(request.webhook_id),
            state=state,
            page=place.page,
            page_size=place.size,
            below=place.below,
        )
        return pb.ListWebhookDeliveriesResponse(
            deliveries=[_delivery(each) for each in found[: place.size]],
            pagination=place.pagination([each.id for each in found], total),
        )

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

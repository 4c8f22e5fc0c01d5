"""Webhooks: endpoints that user events are posted to, and the deliveries to them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass

WEBHOOKS_MAX = 20
ATTEMPTS_LEASE = timedelta(minutes=2)
"""How long a claimed delivery is reserved: longer than any attempt takes."""

FORMER_SECRET_LIFETIME = timedelta(hours=24)

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
)
"""Between attempts, give or take a fifth: more than two days in all. Then a delivery is dead."""

KEPT_DELIVERED = timedelta(days=7)
KEPT_DEAD = timedelta(days=30)


class UserEvent(StrEnum):
    """What happened to a user."""

    REGISTERED = "user.registered"
    CHANGED = "user.changed"
    DEACTIVATED = "user.deactivated"
    ERASED = "user.erased"


class DeliveryState(StrEnum):
    """Whether a delivery is still to be made."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A user event. It names the user by id and changes by field, and holds no personal data.

    Attributes:
        version: Of the user after the event: the greater one is the later one.
        fields: Names of the fields that changed.
    """

    event: UserEvent
    user_id: UUID
    version: int
    fields: Sequence[str]
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An endpoint.

    Attributes:
        sealed_secret: The key of its signatures, encrypted.
        sealed_former: The key before it, also signed with until `former_until`.
        disabled_reason: Why it was turned off by itself; None otherwise.
    """

    id: UUID
    url: str
    events: Sequence[UserEvent]
    description: str
    sealed_secret: bytes
    created_at: datetime
    updated_at: datetime
    is_active: bool = True
    disabled_reason: str | None = None
    sealed_former: bytes | None = None
    former_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message to an endpoint.

    Attributes:
        id: The message's `webhook-id`, the same for every attempt.
        attempts: Attempts to deliver it, a running one included.
        due_at: When it is tried next, if it is pending.
        last_status: Status of the last response; None without one.
        last_error: Why the last attempt failed; None when it did not.
    """

    id: UUID
    webhook_id: UUID
    announcement: Announcement
    state: DeliveryState
    attempts: int
    due_at: datetime
    last_attempt_at: datetime | None = None
    last_status: int | None = None
    last_error: str | None = None

    @property
    def body(self) -> bytes:
        """The message as it is posted, the same for every attempt."""
        said = self.announcement
        occurred_at = said.occurred_at.astimezone(UTC).isoformat(timespec="milliseconds")
        content = {
            "type": said.event.value,
            "timestamp": occurred_at.replace("+00:00", "Z"),
            "data": {"user_id": str(said.user_id), "version": said.version, "fields": list(said.fields)},
        }
        return json.dumps(content, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How an attempt ended.

    Attributes:
        status: Of the response; None without one.
        error: Why it failed; None when the message was delivered.
        wait: How long until the next attempt; None for none.
    """

    status: int | None
    error: str | None
    wait: timedelta | None = None

    @property
    def state(self) -> DeliveryState:
        """The state that the delivery is in afterwards."""
        if self.error is None:
            return DeliveryState.DELIVERED
        return DeliveryState.DEAD if self.wait is None else DeliveryState.PENDING


class UrlRefused(Exception):
    """The URL may not be posted to; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookChanges:
    """What to change of an endpoint; None leaves a field as it is."""

    url: str | None = None
    events: Sequence[UserEvent] | None = None
    description: str | None = None
    is_active: bool | None = None

    @property
    def given(self) -> dict[str, object]:
        """The fields that are to change, by name."""
        pairs = {name: getattr(self, name) for name in ("url", "events", "description", "is_active")}
        return {name: value for name, value in pairs.items() if value is not None}


class WebhookSecrets(Protocol):
    """Draws and seals the keys of signatures, and signs with them."""

    def draw(self, webhook_id: UUID) -> tuple[str, bytes]:
        """Returns a new secret to show, and the same sealed.

        Raises:
            Unavailable: there is no key to seal with.
        """
        ...

    def reveal(self, webhook: Webhook) -> str:
        """Returns the secret to show, to whom it has not been shown yet.

        Raises:
            Unavailable: no key opens it.
        """
        ...

    def sign(self, webhook: Webhook, message_id: UUID, at: datetime, body: bytes) -> str:
        """Returns the value of `webhook-signature`.

        Raises:
            Undelivered: the secret cannot be opened.
        """
        ...

    def sealed_again(self, webhook: Webhook) -> Webhook | None:
        """Returns the webhook sealed under the newest key; None if it is already, or cannot be opened."""
        ...


class WebhookPoster(Protocol):
    """Posts messages to endpoints."""

    def check(self, url: str) -> None:
        """Checks what can be known of a URL without resolving its host.

        Raises:
            UrlRefused: nothing would be posted to it.
        """
        ...

    async def __call__(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """Returns the response's status.

        Raises:
            Undelivered: there was no response.
        """
        ...


class WebhookRepository(Protocol):
    """The endpoints and the deliveries."""

    async def announce(self, said: Announcement) -> None:
        """Queues a delivery to each active or inactive endpoint that gets such events."""
        ...

    async def add(self, webhook: Webhook) -> bool:
        """Adds an endpoint; returns False, and adds nothing, when there are `WEBHOOKS_MAX`."""
        ...

    async def all(self) -> list[Webhook]:
        """Returns every endpoint, the newest first."""
        ...

    async def find(self, webhook_id: UUID) -> Webhook | None:
        """Returns an endpoint."""
        ...

    async def lock(self, webhook_id: UUID) -> Webhook | None:
        """Returns an endpoint, locked until the transaction ends."""
        ...

    async def save(self, webhook: Webhook) -> None:
        """Overwrites a locked endpoint."""
        ...

    async def delete(self, webhook_id: UUID) -> bool:
        """Removes an endpoint with its deliveries; returns whether there was one."""
        ...

    async def deliveries(
        self, webhook_id: UUID, state: DeliveryState | None, *, below: UUID | None, offset: int, limit: int
    ) -> list[Delivery]:
        """Returns deliveries to an endpoint, the newest first, below an id or from an offset."""
        ...

    async def count_deliveries(self, webhook_id: UUID, state: DeliveryState | None) -> int:
        """Returns how many deliveries to an endpoint there are."""
        ...

    async def resend(self, webhook_id: UUID, delivery_id: UUID) -> Delivery | None:
        """Makes a delivery pending and due, with no attempts; returns it."""
        ...

    async def claim(self, lease: timedelta, *, but: Sequence[UUID]) -> tuple[Delivery, Webhook] | None:
        """Returns a delivery that is due to an active endpoint not named, and reserves it for the lease."""
        ...

    async def next_due(self) -> timedelta | None:
        """Returns how long until a delivery to an active endpoint is due; None while none is pending."""
        ...

    async def note(self, delivery: Delivery, attempt: Attempt) -> None:
        """Records how an attempt ended, unless another one was claimed meanwhile."""
        ...

    async def purge(self, delivered: timedelta, dead: timedelta) -> int:
        """Deletes deliveries that ended longer ago than that; returns how many."""
        ...

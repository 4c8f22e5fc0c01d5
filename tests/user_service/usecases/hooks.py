"""The use cases of webhooks, as an admin calls them, and a real endpoint."""

from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from chassis.http.destinations import Destinations
from user_service.adapters.webhook_poster import HttpWebhookPoster
from user_service.adapters.webhook_secrets import SealedWebhookSecrets
from user_service.domain.user import Changes, User
from user_service.domain.webhook import UserEvent, Webhook
from user_service.usecases.user_changes import UpdateUser
from user_service.usecases.webhook_delivery import SendWebhooks
from user_service.usecases.webhooks import (
    CreateWebhook,
    ListWebhookDeliveries,
    UpdateWebhook,
)

from tests.user_service.builders import caller_of

if TYPE_CHECKING:
    from tests.user_service.usecases.conftest import Ports

SECRETS = SealedWebhookSecrets([b"k" * 32])
LOOPBACK = (ip_network("127.0.0.0/8"),)
POSTER = HttpWebhookPoster(Destinations(allows_http=True, networks=LOOPBACK), seconds_max=1.0)
EVERYTHING = tuple(UserEvent)


class Hooks:
    """The use cases, called by an admin."""

    def __init__(self, ports: "Ports", admin: User) -> None:
        ports.clock.time = datetime.now(UTC)  # Verifiers refuse old messages.
        self.ports, self.admin, self.caller = ports, admin, caller_of(admin)
        units, clock = ports.units, ports.clock
        self.create = CreateWebhook(units, SECRETS, POSTER, clock)
        self.update = UpdateWebhook(units, POSTER, clock)
        self.send = SendWebhooks(units, SECRETS, POSTER, clock)
        self.change = UpdateUser(units, ports.accounts, clock)

    async def add(self, url: str, events: tuple[UserEvent, ...] = EVERYTHING) -> tuple[Webhook, str]:
        """Adds an endpoint."""
        return await self.create(caller=self.caller, url=url, events=events, description="")

    async def rename(self, user: User, name: str = "Another Name") -> None:
        """Changes a user, which announces it."""
        await self.change(caller=self.caller, user_id=user.id, changes=Changes(full_name=name))

    async def deliveries(self, webhook: Webhook) -> list[Any]:
        """Returns the deliveries to an endpoint, the newest first."""
        listed = ListWebhookDeliveries(self.ports.units)
        found, _ = await listed(
            caller=self.caller, webhook_id=webhook.id, state=None, below=None, offset=0, limit=100
        )
        return found

    async def make_due(self) -> None:
        """Lets the wait until the next attempt pass."""
        await self.ports.pool.execute("UPDATE users.webhook_deliveries SET due_at = now()")

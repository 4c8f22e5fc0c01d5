"""Which events a change of a user is."""

from datetime import datetime
from typing import Protocol

from user_service.domain.user import User, changed_fields
from user_service.domain.webhook import Announcement, UserEvent, WebhookRepository


class Announcing(Protocol):
    """The part of a unit of work that announces."""

    @property
    def webhooks(self) -> WebhookRepository:
        """The endpoints."""
        ...


async def announce(unit: Announcing, before: User | None, after: User) -> None:
    """Announces a new or changed user to the endpoints, if and only if the transaction commits."""
    for event, fields in _events(before, after):
        await unit.webhooks.announce(
            Announcement(
                event=event,
                user_id=after.id,
                version=after.version,
                fields=fields,
                occurred_at=after.updated_at,
            )
        )


async def announce_erased(unit: Announcing, user: User, at: datetime) -> None:
    """Announces an erased user to the endpoints, if and only if the transaction commits."""
    await unit.webhooks.announce(
        Announcement(
            event=UserEvent.ERASED, user_id=user.id, version=user.version + 1, fields=(), occurred_at=at
        )
    )


def _events(before: User | None, after: User) -> list[tuple[UserEvent, tuple[str, ...]]]:
    if before is None:
        return [(UserEvent.REGISTERED, ())]
    fields = changed_fields(before, after)
    events = [(UserEvent.CHANGED, fields)]
    if before.is_active and not after.is_active:
        events.append((UserEvent.DEACTIVATED, fields))
    return events

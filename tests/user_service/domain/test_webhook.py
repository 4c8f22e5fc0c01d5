"""Webhook messages."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from chassis.ids import uuid7
from user_service.domain.webhook import Announcement, Delivery, DeliveryState, UserEvent

AT = datetime(2026, 11, 29, 2, 34, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("occurred_at", "expected"),
    [
        (AT, "2026-11-29T02:34:29.000Z"),
        (AT.replace(microsecond=666_999), "2026-11-29T02:34:29.666Z"),
        (AT.astimezone(timezone(timedelta(hours=1))), "2026-11-29T02:34:29.000Z"),
    ],
)
def test_times_are_in_the_contracts_form(occurred_at: datetime, expected: str) -> None:
    """In UTC to the millisecond, as a user's `updated_at` is at the edge."""
    said = Announcement(
        event=UserEvent.CHANGED, user_id=uuid7(), version=1, fields=(), occurred_at=occurred_at
    )
    delivery = Delivery(
        id=uuid7(),
        webhook_id=uuid7(),
        announcement=said,
        state=DeliveryState.PENDING,
        attempts=1,
        due_at=AT,
    )

    assert json.loads(delivery.body)["timestamp"] == expected

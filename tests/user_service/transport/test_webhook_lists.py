"""Lists of webhooks and of their deliveries over gRPC: pages and cursors."""

from itertools import pairwise

import pytest
from chassis.errors import RemoteError
from user_service.domain.announcements import announce
from user_service.domain.user import User
from user_service.domain.webhook import UserEvent
from vestibule.users.v1 import webhook_service_pb2 as pb

from tests.user_service.builders import a_user, an_admin
from tests.user_service.conftest import Service

EVENTS = [event.value for event in UserEvent]


async def _deliveries(service: Service, count: int) -> tuple[str, list[str]]:
    """Signs an admin in; returns a webhook's id and the ids of `count` deliveries to it, the newest first."""
    admin = an_admin()
    await service.add(admin)
    service.sign_in(admin)
    request = pb.CreateWebhookRequest(url="https://example.com/hook", events=EVENTS)
    webhook_id = (await service.webhooks.CreateWebhook(request)).id
    await _happen(service, a_user(), count)
    rows = await service.pool.fetch("SELECT id FROM users.webhook_deliveries ORDER BY id DESC")
    return webhook_id, [str(row["id"]) for row in rows]


async def _happen(service: Service, user: User, count: int = 1) -> None:
    for _ in range(count):
        async with service.units.transaction() as unit:
            await announce(unit, None, user)


async def test_deliveries_by_pages_and_by_cursors(service: Service) -> None:
    """Both ways return each delivery once, the newest first, with the position."""
    webhook_id, expected = await _deliveries(service, 7)

    by_page, by_cursor, cursor = [], [], None
    for number in (1, 2, 3):
        page = await service.webhooks.ListWebhookDeliveries(
            pb.ListWebhookDeliveriesRequest(webhook_id=webhook_id, page=number, page_size=3)
        )
        by_page += [each.id for each in page.deliveries]
        following = await service.webhooks.ListWebhookDeliveries(
            pb.ListWebhookDeliveriesRequest(webhook_id=webhook_id, page_size=3, cursor=cursor)
        )
        by_cursor += [each.id for each in following.deliveries]
        cursor = following.pagination.next_cursor
        for pagination in (page.pagination, following.pagination):
            assert (pagination.page, pagination.total_items, pagination.total_pages) == (number, 7, 3)
            assert (pagination.has_prev, pagination.has_next) == (number > 1, number < 3)
            assert pagination.HasField("next_cursor") == (number < 3)

    assert by_page == by_cursor == expected


async def test_a_cursor_survives_new_deliveries(service: Service) -> None:
    """What comes while a client pages makes no delivery appear twice or get lost."""
    webhook_id, expected = await _deliveries(service, 7)
    seen: list[str] = []
    cursor = None
    for _ in range(7):
        page = await service.webhooks.ListWebhookDeliveries(
            pb.ListWebhookDeliveriesRequest(webhook_id=webhook_id, page_size=2, cursor=cursor)
        )
        seen += [each.id for each in page.deliveries]
        if not page.pagination.has_next:
            break
        cursor = page.pagination.next_cursor
        await _happen(service, a_user())
        await service.pool.execute("DELETE FROM users.webhook_deliveries WHERE id = $1", seen[-1])

    assert seen == expected


async def test_a_cursor_belongs_to_its_list(service: Service) -> None:
    """Of another webhook or state its place would mean nothing; another page size is fine."""
    webhook_id, expected = await _deliveries(service, 4)
    request = pb.CreateWebhookRequest(url="https://example.com/other", events=EVENTS)
    other_id = (await service.webhooks.CreateWebhook(request)).id
    first = await service.webhooks.ListWebhookDeliveries(
        pb.ListWebhookDeliveriesRequest(webhook_id=webhook_id, page_size=1)
    )
    cursor = first.pagination.next_cursor

    for other in (
        pb.ListWebhookDeliveriesRequest(webhook_id=other_id, cursor=cursor),
        pb.ListWebhookDeliveriesRequest(webhook_id=webhook_id, cursor=cursor, state="pending"),
        pb.ListWebhookDeliveriesRequest(webhook_id=webhook_id, cursor=cursor + "A"),
        pb.ListWebhookDeliveriesRequest(webhook_id=webhook_id, cursor=""),
    ):
        with pytest.raises(RemoteError) as caught:
            await service.webhooks.ListWebhookDeliveries(other)
        assert [error.field for error in caught.value.field_errors] == ["cursor"]
    with pytest.raises(RemoteError) as caught:
        await service.webhooks.ListWebhooks(pb.ListWebhooksRequest(cursor=cursor))
    assert [error.field for error in caught.value.field_errors] == ["cursor"]

    following = await service.webhooks.ListWebhookDeliveries(
        pb.ListWebhookDeliveriesRequest(webhook_id=webhook_id, cursor=cursor, page_size=2)
    )
    assert [each.id for each in following.deliveries] == expected[1:3]


async def test_a_cursor_of_webhooks(service: Service) -> None:
    """Each once, the newest first, also while others are added."""
    webhook_id, _ = await _deliveries(service, 1)
    for number in range(4):
        request = pb.CreateWebhookRequest(url=f"https://example.com/{number}", events=EVENTS)
        await service.webhooks.CreateWebhook(request)

    seen: list[str] = []
    cursor = None
    for _ in range(5):
        page = await service.webhooks.ListWebhooks(pb.ListWebhooksRequest(page_size=2, cursor=cursor))
        seen += [each.id for each in page.webhooks]
        cursor = page.pagination.next_cursor
        if not page.pagination.has_next:
            break
        request = pb.CreateWebhookRequest(url="https://example.com/later", events=EVENTS)
        await service.webhooks.CreateWebhook(request)

    assert len(seen) == 5
    assert seen[-1] == webhook_id
    assert all(newer > older for newer, older in pairwise(seen))

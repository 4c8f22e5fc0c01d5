"""Lists that are read whole are cut into pages, by number or by cursor."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from auth_service.transport.paging import cut, decode_cursor, encode_cursor
from chassis.errors import Invalid
from chassis.ids import uuid7
from vestibule.api.v1.pagination_pb2 import Pagination
from vestibule.auth.v1.session_service_pb2 import ListSessionsRequest

OLDEST_FIRST = sorted(uuid7() for _ in range(7))
NEWEST_FIRST = OLDEST_FIRST[::-1]


def page_of(items: Sequence[UUID], **asked: object) -> tuple[Sequence[UUID], Pagination]:
    """Returns a page of ids."""
    request = ListSessionsRequest(**asked)  # type: ignore[arg-type]
    return cut(request, items, lambda each: each, newest_first=items[:1] != OLDEST_FIRST[:1])


def test_pages_by_number() -> None:
    """Rows, and where the page stands."""
    rows, pagination = page_of(NEWEST_FIRST, page=2, page_size=3)

    assert rows == NEWEST_FIRST[3:6]
    assert (pagination.page, pagination.page_size, pagination.total_items, pagination.total_pages) == (
        2,
        3,
        7,
        3,
    )
    assert (pagination.has_next, pagination.has_prev) == (True, True)
    assert page_of(NEWEST_FIRST, page=4, page_size=3)[0] == []
    assert page_of([])[1] == Pagination(page=1, page_size=20)


@pytest.mark.parametrize("items", [NEWEST_FIRST, OLDEST_FIRST], ids=["newest first", "oldest first"])
def test_pages_by_cursor(items: list[UUID]) -> None:
    """A cursor goes on behind its page, though the row that it names is gone and another has come."""
    seen: list[UUID] = []
    cursor, left = "", list(items)
    for _ in range(10):
        rows, pagination = page_of(left, page_size=3, cursor=cursor)
        seen += rows
        if not pagination.has_next:
            assert not pagination.HasField("next_cursor")
            break
        cursor = pagination.next_cursor
        left.remove(rows[-1])

    assert seen == items
    assert pagination.page == 3


@pytest.mark.parametrize(
    "text",
    ["x", "nonsense", "%%%", "é", encode_cursor(1, uuid7()), encode_cursor(2, uuid7())[:-3]],
    ids=["short", "word", "percent", "not ASCII", "other kind", "cut off"],
)
def test_no_cursor(text: str) -> None:
    """What is none of ours is the client's mistake."""
    with pytest.raises(Invalid):
        decode_cursor(text)

"""Lists are cut into pages, by number or by cursor."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from chassis.errors import Invalid
from chassis.grpc.paging import RequestedPage, cut, requested_page, time_of_key
from chassis.ids import uuid7
from hypothesis import given
from hypothesis import strategies as st
from vestibule.api.v1.pagination_pb2 import Pagination
from vestibule.auth.v1.api_key_service_pb2 import ListApiKeysRequest
from vestibule.auth.v1.session_service_pb2 import ListSessionsRequest

OLDEST_FIRST = sorted(uuid7() for _ in range(7))
NEWEST_FIRST = OLDEST_FIRST[::-1]
MARK = requested_page(ListSessionsRequest(), UUID).mark
ID = "01a22fde-e4c4-7db6-bf48-0880bdad61da"


def page_of(items: Sequence[UUID], **asked: object) -> tuple[Sequence[UUID], Pagination]:
    """Returns a page of ids."""
    request = ListSessionsRequest(**asked)  # type: ignore[arg-type]
    return cut(request, items, lambda each: each, newest_first=items[:1] != OLDEST_FIRST[:1])


def encoded(*content: object) -> str:
    """Returns a cursor of any content."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def refused(cursor: str, *filters: object) -> str:
    """Returns why the list of sessions refuses a cursor."""
    with pytest.raises(Invalid) as caught:
        requested_page(ListSessionsRequest(cursor=cursor), UUID, *filters)
    (error,) = caught.value.field_errors
    assert error.field == "cursor"
    return error.message


def test_pages_by_number() -> None:
    """Rows, and where the page stands."""
    rows, pagination = page_of(NEWEST_FIRST, page=2, page_size=3)

    assert rows == NEWEST_FIRST[3:6]
    assert (pagination.page, pagination.page_size) == (2, 3)
    assert (pagination.total_items, pagination.total_pages) == (7, 3)
    assert (pagination.has_next, pagination.has_prev) == (True, True)
    assert page_of(NEWEST_FIRST, page=4, page_size=3)[0] == []
    assert page_of([])[1] == Pagination(page=1, page_size=20)


@pytest.mark.parametrize("items", [NEWEST_FIRST, OLDEST_FIRST], ids=["newest first", "oldest first"])
def test_pages_by_cursor(items: list[UUID]) -> None:
    """A cursor continues after its page, though the row that it names is gone."""
    seen: list[UUID] = []
    cursor, left = None, list(items)
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


@given(number=st.integers(1, 2**31 - 2), size=st.integers(1, 100), at=st.datetimes(timezones=st.just(UTC)))
def test_a_key_comes_back_as_it_was(number: int, size: int, at: datetime) -> None:
    request = ListSessionsRequest(page=number, page_size=size)
    cursor = requested_page(request, UUID, "a", None, 1).pagination(1, [at, ID]).next_cursor

    def parse(time: str, identifier: str) -> tuple[datetime, UUID]:
        return time_of_key(time), UUID(identifier)

    following = requested_page(ListSessionsRequest(cursor=cursor), parse, "a", None, 1)
    assert (following.number, following.after, following.offset) == (number + 1, (at, UUID(ID)), 0)


def test_a_cursor_belongs_to_its_list_and_filters() -> None:
    cursor = requested_page(ListSessionsRequest(), UUID, "a").pagination(1, [ID]).next_cursor
    assert requested_page(ListSessionsRequest(cursor=cursor, page_size=7), UUID, "a").after == UUID(ID)

    for filters in ((), ("b",), (None,), ("a", None)):
        assert "other filters" in refused(cursor, *filters)
    with pytest.raises(Invalid):
        requested_page(ListApiKeysRequest(cursor=cursor), UUID, "a")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "nonsense",
        "%%%",
        "é",
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 300).decode(),
        encoded(),
        encoded(MARK),
        encoded(MARK, 2),
        encoded(MARK, 2, "no id"),
        encoded(MARK, 2, 7),
        encoded(MARK, 2, ID, ID),
        encoded(MARK, "2", ID),
        encoded(MARK, True, ID),
        encoded(MARK, 2.0, ID),
        encoded(MARK, 1, ID),
        encoded(MARK, 2**31, ID),
        encoded({"a": 1}, 2, ID)[:-3],
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    assert refused(text) == "is not a cursor of this list"


@given(st.one_of(st.text(max_size=60), st.from_regex(r"[A-Za-z0-9_-]{38}", fullmatch=True)))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        requested_page(ListSessionsRequest(cursor=text), UUID)


def test_one_row_more_than_the_page_has_shows_the_next() -> None:
    requested = RequestedPage[UUID](2, 3, None, MARK)
    assert (requested.limit, requested.offset) == (4, 3)

    shown, pagination = requested.page(NEWEST_FIRST[:4], 9, lambda each: each)
    assert (shown, pagination.has_next) == (NEWEST_FIRST[:3], True)
    shown, pagination = requested.page(NEWEST_FIRST[:3], 9, lambda each: each)
    assert (shown, pagination.has_next) == (NEWEST_FIRST[:3], False)

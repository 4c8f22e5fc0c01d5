"""Cursors of the list of documents."""

from datetime import UTC, datetime

import pytest
from chassis.errors import Invalid
from chassis.ids import uuid7
from hypothesis import given
from hypothesis import strategies as st
from knowledge_service.domain.document import Content, Position, new_document
from knowledge_service.domain.visibility import Visibility
from knowledge_service.transport.messages import decode_cursor, encode_cursor

from tests.knowledge_service.knowledge import a_user

_TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(page=st.integers(2, 2**31 - 1), created_at=_TIMES)
def test_a_cursor_comes_back_as_it_was(page: int, created_at: datetime) -> None:
    content = Content(title="Notes", text="text")
    document = new_document(uuid7(), a_user(), content, Visibility.PRIVATE, created_at)

    assert decode_cursor(encode_cursor(page, document)) == (page, Position(created_at, document.id))


@given(st.one_of(st.text(max_size=60), st.from_regex(r"[A-Za-z0-9_-]{38}", fullmatch=True)))
def test_any_other_text_is_refused_or_a_position(text: str) -> None:
    try:
        page, _ = decode_cursor(text)
    except Invalid:
        return
    assert page > 1


@pytest.mark.parametrize("text", ["", "A", "A" * 38, "!" * 38, "é" * 38])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        decode_cursor(text)

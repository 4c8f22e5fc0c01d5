"""Ids are UUIDv7: they carry their time and sort by it."""

import time
import uuid

from chassis.ids import request_id, unix_milliseconds, uuid7
from hypothesis import given
from hypothesis import strategies as st

MILLISECONDS = st.integers(0, 2**48 - 1)


@given(MILLISECONDS)
def test_version_variant_and_time(milliseconds: int) -> None:
    """RFC 9562 is kept for every time that fits."""
    identifier = uuid7(milliseconds)

    assert (identifier.version, identifier.variant) == (7, uuid.RFC_4122)
    assert unix_milliseconds(identifier) == milliseconds


@given(MILLISECONDS, MILLISECONDS)
def test_later_ids_sort_behind_earlier_ones(one: int, other: int) -> None:
    """Text and number sort alike, by time."""
    if one < other:
        assert str(uuid7(one)) < str(uuid7(other))
        assert uuid7(one) < uuid7(other)


def test_now() -> None:
    """Without a time it is the present; no two are alike."""
    before = time.time_ns() // 1_000_000
    identifiers = {uuid7() for _ in range(1_000)}

    assert len(identifiers) == 1_000
    assert all(before <= unix_milliseconds(each) <= time.time_ns() // 1_000_000 for each in identifiers)


def test_request_ids_are_uuid7_of_now() -> None:
    """They name requests as `uuid7` would, and no two are alike."""
    before = time.time_ns() // 1_000_000
    made = [request_id() for _ in range(1000)]

    assert len(set(made)) == 1000
    for text in made:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 7, uuid.RFC_4122)
        assert before <= unix_milliseconds(parsed) <= time.time_ns() // 1_000_000

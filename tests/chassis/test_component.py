"""A component is composed like a frozen dataclass: by position or name, with defaults, and for good."""

from typing import ClassVar

import pytest
from chassis.component import Component


class Part(Component):
    """With a default and a constant."""

    LIMIT: ClassVar[int] = 3

    first: int
    second: str
    third: str = "default"


class LargerPart(Part):
    """With a part of its own."""

    fourth: int = 4


def test_parts_are_taken_by_position_name_and_default() -> None:
    """As with a dataclass."""
    for part in (Part(1, "two"), Part(1, second="two"), Part(second="two", first=1)):
        assert (part.first, part.second, part.third) == (1, "two", "default")
    assert Part(1, "two", "three").third == "three"
    larger = LargerPart(1, "two", fourth=5)
    assert (larger.first, larger.third, larger.fourth) == (1, "default", 5)


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ((1,), {}),
        ((), {"first": 1}),
        ((1, "two", "three", "four"), {}),
        ((1, "two"), {"fourth": 4}),
        ((1, "two"), {"second": "again"}),
        ((1, "two"), {"LIMIT": 4}),
        ((1, "two", "three"), {"third": "again"}),
    ],
)
def test_wrong_parts_are_refused(parts: tuple[object, ...], named: dict[str, object]) -> None:
    """A missing, an unknown and a repeated part are mistakes of the wiring."""
    with pytest.raises(TypeError, match="Part takes first, second, third"):
        Part(*parts, **named)  # type: ignore[arg-type]


def test_a_part_cannot_be_changed() -> None:
    """Neither a known attribute nor a new one."""
    part = Part(1, "two")
    for name in ("first", "unknown"):
        with pytest.raises(AttributeError, match="cannot be changed"):
            setattr(part, name, 2)
    assert part.first == 1

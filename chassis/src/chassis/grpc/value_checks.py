"""Checks of single values, compiled from their constraints.

A check takes a value and returns what is wrong with it, or None. The words are those that
clients read, so the gateway uses the same checks.
"""

import functools
import re
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from chassis.email_address import ascii_domain
from chassis.grpc.field_rules import Constraints, Form
from chassis.text import has_control, has_hidden_format, is_visible

Check: TypeAlias = Callable[[Any], str | None]

REQUIRED = "is required"
NUL = "must not contain NUL characters"
BLANK = "must not be blank"
HIDDEN = "must not contain invisible formatting characters"

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NUMBERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
        FieldDescriptor.CPPTYPE_DOUBLE,
        FieldDescriptor.CPPTYPE_FLOAT,
    }
)


def compile_check(field: FieldDescriptor, allowed: Constraints) -> Check | None:
    """Returns the check of one value of a field, or of one item; None when any value will do.

    Args:
        field: Says the type. NUL characters and unknown enum numbers are refused whatever is allowed.
        allowed: What the value may hold.
    """
    if field.type == FieldDescriptor.TYPE_STRING:
        return _first_of(_string_checks(allowed))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _first_of(_length_checks(allowed, "byte"))
    if field.enum_type is not None:
        return _known_number(frozenset(field.enum_type.values_by_number))
    if field.cpp_type in _NUMBERS:
        return _first_of(_number_checks(allowed))
    return None


@functools.cache
def _email_validator() -> ModuleType:
    """Imports it for the first address: its patterns are a twentieth of what a start costs."""
    import email_validator  # noqa: PLC0415

    # The library's documented way to let `.test`, `.local` and the like through: whether mail
    # gets there is not a question of form.
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    return email_validator


def is_email(text: str) -> bool:
    """Whether the text has the form of an e-mail address at a domain with a dot.

    Nothing is looked up, and names kept for tests or private networks are let through. The
    domain has a canonical form: `chassis.email_address` compares addresses by it.
    """
    validator = _email_validator()
    try:
        validator.validate_email(text, check_deliverability=False, strict=True)
    except validator.EmailNotValidError:
        return False
    return ascii_domain(text.rpartition("@")[2]) is not None


def check_item_count(allowed: Constraints) -> Check | None:
    """Returns the check of how many items a list or map holds."""
    return _first_of(_length_checks(allowed, "item"))


def _first_of(checks: Iterable[Check]) -> Check | None:
    ordered = tuple(checks)
    if len(ordered) <= 1:
        return ordered[0] if ordered else None

    def check(value: object) -> str | None:
        for each in ordered:
            if wrong := each(value):
                return wrong
        return None

    return check


def _string_checks(allowed: Constraints) -> Iterable[Check]:
    yield lambda value: NUL if "\0" in value else None
    yield from _length_checks(allowed, "character")
    match allowed.form:
        case Form.EMAIL:
            yield lambda value: None if is_email(value) else "not an e-mail address"
        case Form.UUID:
            yield lambda value: None if _UUID.fullmatch(value) else "not a UUID"
        case Form.LINE:
            yield lambda value: "must not contain control characters" if has_control(value) else None
            yield lambda value: None if is_visible(value) else BLANK
            yield lambda value: HIDDEN if has_hidden_format(value) else None
        case Form.NOT_BLANK:
            yield lambda value: None if is_visible(value) else BLANK
    if text := allowed.pattern:
        # In RE2, which protovalidate uses, a closing $ is the end of the text, not of its last line.
        pattern = re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", text))
        asked = f"must be {allowed.pattern_in_words}" if allowed.pattern_in_words else f"must match {text}"
        yield lambda value: None if pattern.search(value) else asked
    if one_of := allowed.one_of:
        yield lambda value: None if value in one_of else f"must be one of {', '.join(one_of)}"


def _length_checks(allowed: Constraints, unit: str) -> Iterable[Check]:
    fewest, most = allowed.length_min, allowed.length_max
    if most:
        yield lambda value: f"must be at most {_count(most, unit)}" if len(value) > most else None
    if fewest:
        yield lambda value: f"must be at least {_count(fewest, unit)}" if len(value) < fewest else None


def _number_checks(allowed: Constraints) -> Iterable[Check]:
    minimum, maximum = allowed.minimum, allowed.maximum
    if minimum is not None:
        yield lambda value: None if value >= minimum else f"must be at least {minimum}"
    if maximum is not None:
        yield lambda value: None if value <= maximum else f"must be at most {maximum}"


def _known_number(numbers: frozenset[int]) -> Check:
    return lambda value: None if value in numbers else "not a known value"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"

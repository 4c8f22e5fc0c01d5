"""Objects of any shape (`google.protobuf.Struct`), for JSON that another standard defines."""

import math
from typing import Any

from chassis.errors import FieldError
from chassis.grpc.value_checks import NUL

DEPTH_MAX = 16
"""Nesting of objects and lists; protobuf's own limit is 33."""

_EXACT_MAX = 2**53


def fill_object(target: Any, value: Any, path: str, errors: list[FieldError]) -> None:
    """Fills a `Struct` from a JSON object, or adds an error."""
    if not isinstance(value, dict):
        errors.append(FieldError(path, "must be an object"))
    elif wrong := _fault(value, DEPTH_MAX):
        errors.append(FieldError(path, wrong))
    else:
        target.update(value)


def encode_object(struct: Any) -> dict[str, Any]:
    """Returns a `Struct` as JSON; whole numbers become integers."""
    return {name: _encode(value) for name, value in sorted(struct.fields.items())}


def _fault(value: Any, depth: int) -> str:
    """Returns why a JSON value cannot be in a message; empty if it can."""
    match value:
        case str():
            return _text_fault(value)
        case dict() | list() if depth == 0:
            return f"must not be nested more than {DEPTH_MAX} levels deep"
        case dict():
            inner = [*value, *value.values()]
        case list():
            inner = value
        case int() if abs(value) > _EXACT_MAX:
            return "must not contain integers beyond 2^53"
        case float() if not math.isfinite(value):
            return "must not contain numbers that are not finite"
        case _:
            return ""
    return next((wrong for each in inner if (wrong := _fault(each, depth - 1))), "")


def _text_fault(text: str) -> str:
    if "\0" in text:
        return NUL
    try:
        text.encode()
    except UnicodeEncodeError:
        return "must be valid Unicode, without lone surrogates"
    return ""


def _encode(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return encode_object(value.struct_value)
    if kind == "list_value":
        return [_encode(each) for each in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) <= _EXACT_MAX else number
    return None if kind in (None, "null_value") else getattr(value, kind)

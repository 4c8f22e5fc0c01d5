"""Decodes JSON, query strings, paths and headers into messages, with an error for every wrong field."""

import base64
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from chassis.errors import FieldError
from chassis.grpc.field_rules import Constraints, Form, constraints
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.api.fields import OBJECT, TIMESTAMP, enum_names, in_json, is_map, takes_null
from gateway.api.objects import fill_object

Errors: TypeAlias = list[FieldError]
Setter: TypeAlias = Callable[[Any, Any, str, Errors], None]
"""Takes the message, the value, the field's path and the errors; sets the field or adds an error."""

_INTEGER_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def compile_decoder(fields: Iterable[FieldDescriptor]) -> Callable[[Any, Mapping[str, Any], Errors], None]:
    """Returns a function that sets fields from a JSON object; unknown keys are errors."""
    setters = {field.name: _alone(field, _field_setter(field, {})) for field in fields}

    def decode(message: Any, values: Mapping[str, Any], errors: Errors) -> None:
        for name, value in values.items():
            setter = setters.get(name)
            if setter is None:
                errors.append(FieldError(_quotable(name), "is not a known field"))
            else:
                setter(message, value, name, errors)

    return decode


@functools.cache
def compile_text_setter(field: FieldDescriptor) -> Setter:
    """Returns a function that sets a field from the text of a path, query or header."""
    setter = _field_setter(field, {})
    convert = _text_converter(field)

    def set_from_text(message: Any, text: Any, path: str, errors: Errors) -> None:
        value = convert(text)
        # Text that does not convert stays text, and the setter reports what is wrong with it.
        setter(message, text if value is None else value, path, errors)

    return set_from_text


def _field_setter(field: FieldDescriptor, compiled: dict[str, dict[str, Setter]]) -> Setter:
    if is_map(field):
        return _map_setter(field, compiled)
    if field.is_repeated:
        return _list_setter(field, compiled)
    if field.message_type is not None:
        return _message_setter(field, compiled)
    convert, name = _scalar(field), field.name

    def set_scalar(message: Any, value: Any, path: str, errors: Errors) -> None:
        converted, wrong = convert(value)
        if wrong:
            errors.append(FieldError(path, wrong))
        else:
            setattr(message, name, converted)

    return set_scalar


def _alone(field: FieldDescriptor, setter: Setter) -> Setter:
    """Returns a setter of a field that refuses it beside another field of the same oneof."""
    oneof = field.containing_oneof
    if oneof is None or len(oneof.fields) == 1:
        return setter
    name = oneof.name

    def set_alone(message: Any, value: Any, path: str, errors: Errors) -> None:
        if other := message.WhichOneof(name):
            errors.append(FieldError(path, f"must not be sent together with {other}"))
        else:
            setter(message, value, path, errors)

    return set_alone


def _message_setter(field: FieldDescriptor, compiled: dict[str, dict[str, Setter]]) -> Setter:
    name = field.name
    assert field.message_type is not None  # noqa: S101 the caller has checked
    fill, may_be_null = _filler(field.message_type, compiled), takes_null(field)

    def set_message(message: Any, value: Any, path: str, errors: Errors) -> None:
        if value is None and may_be_null:
            return
        target = getattr(message, name)
        target.SetInParent()
        fill(target, value, path, errors)

    return set_message


def _filler(descriptor: Descriptor, compiled: dict[str, dict[str, Setter]]) -> Setter:
    """Returns a function that fills a message from its JSON value."""
    if descriptor.full_name == TIMESTAMP:
        return _fill_timestamp
    if descriptor.full_name == OBJECT:
        return fill_object
    setters = compiled.get(descriptor.full_name)
    if setters is None:
        setters = compiled[descriptor.full_name] = {}
        setters.update(
            {field.name: _alone(field, _field_setter(field, compiled)) for field in in_json(descriptor)}
        )
    known = setters

    def fill(target: Any, value: Any, path: str, errors: Errors) -> None:
        if not isinstance(value, dict):
            errors.append(FieldError(path, "must be an object"))
            return
        for name, inner in value.items():
            setter = known.get(name)
            if setter is None:
                errors.append(FieldError(f"{path}.{_quotable(name)}", "is not a known field"))
            else:
                setter(target, inner, f"{path}.{name}", errors)

    return fill


def _list_setter(field: FieldDescriptor, compiled: dict[str, dict[str, Setter]]) -> Setter:
    name = field.name
    fill = _filler(field.message_type, compiled) if field.message_type is not None else None
    convert = _scalar(field) if fill is None else None
    allowed = constraints(field)
    # As a message an empty list is like none, which such a field may be: only here they differ.
    refuses_empty = bool(allowed.skip_empty and allowed.length_min)

    def set_list(message: Any, value: Any, path: str, errors: Errors) -> None:
        if not isinstance(value, list):
            errors.append(FieldError(path, "must be a list"))
            return
        if refuses_empty and not value:
            errors.append(FieldError(path, "must not be empty"))
            return
        target = getattr(message, name)
        for index, item in enumerate(value):
            if fill is not None:
                fill(target.add(), item, f"{path}[{index}]", errors)
            elif convert is not None:
                converted, wrong = convert(item)
                if wrong:
                    errors.append(FieldError(f"{path}[{index}]", wrong))
                else:
                    target.append(converted)

    return set_list


def _map_setter(field: FieldDescriptor, compiled: dict[str, dict[str, Setter]]) -> Setter:
    name = field.name
    assert field.message_type is not None  # noqa: S101 maps are lists of entry messages
    item = field.message_type.fields_by_name["value"]
    fill = _filler(item.message_type, compiled) if item.message_type is not None else None
    convert = _scalar(item) if fill is None else None

    def set_map(message: Any, value: Any, path: str, errors: Errors) -> None:
        if not isinstance(value, dict):
            errors.append(FieldError(path, "must be an object"))
            return
        target = getattr(message, name)
        for key, each in value.items():
            if _text(key)[1]:
                errors.append(FieldError(path, "has a key that is not valid text"))
            elif fill is not None:
                fill(target[key], each, f"{path}.{key}", errors)
            elif convert is not None:
                converted, wrong = convert(each)
                if wrong:
                    errors.append(FieldError(f"{path}.{key}", wrong))
                else:
                    target[key] = converted

    return set_map


_Scalar: TypeAlias = Callable[[Any], tuple[Any, str]]


def _scalar(field: FieldDescriptor) -> _Scalar:
    """Returns a function from a JSON value to the value to set, or to what is wrong with it."""
    if field.enum_type is not None:
        return _one_of({name: number for number, name in enum_names(field.enum_type).items()})
    if field.cpp_type in _INTEGER_RANGES:
        return _integer(*_INTEGER_RANGES[field.cpp_type], constraints(field))
    if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return _number
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return lambda value: (value, "" if isinstance(value, bool) else "must be true or false")
    if constraints(field).form is Form.UUID:
        return _uuid
    return _bytes if field.type == FieldDescriptor.TYPE_BYTES else _text


def _bytes(value: Any) -> tuple[Any, str]:
    try:
        return base64.b64decode(value, validate=True), ""
    except (ValueError, TypeError):
        return None, "must be base64"


def _text(value: Any) -> tuple[Any, str]:
    if not isinstance(value, str):
        return None, "must be a string"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return None, "must be valid Unicode, without lone surrogates"
    return value, ""


def _uuid(value: Any) -> tuple[Any, str]:
    """Takes either case (RFC 9562, section 4): caches, limits and services compare ids in lower case."""
    text, wrong = _text(value)
    return (text, wrong) if wrong else (text.lower(), "")


def _integer(least: int, most: int, rules: Constraints) -> _Scalar:
    # What exceeds the type exceeds the field's own bounds, which the client can use.
    too_small = f"must be at least {least if rules.minimum is None else rules.minimum}"
    too_large = f"must be at most {most if rules.maximum is None else rules.maximum}"

    def convert(value: Any) -> tuple[Any, str]:
        if isinstance(value, bool) or not isinstance(value, int):
            return None, "must be an integer"
        if least <= value <= most:
            return value, ""
        return None, too_small if value < least else too_large

    return convert


def _number(value: Any) -> tuple[Any, str]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None, "must be a number"
    return float(value), ""


def _one_of(numbers: dict[str, int]) -> _Scalar:
    allowed = ", ".join(numbers)

    def convert(value: Any) -> tuple[Any, str]:
        number = numbers.get(value) if isinstance(value, str) else None
        return number, "" if number is not None else f"must be one of {allowed}"

    return convert


def _fill_timestamp(target: Any, value: Any, path: str, errors: Errors) -> None:
    text = value.upper() if isinstance(value, str) and _RFC3339.fullmatch(value) else ""
    try:
        target.FromDatetime(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        errors.append(FieldError(path, "must be a time such as 2026-11-23T10:00:00Z"))


def _text_converter(field: FieldDescriptor) -> Callable[[str], Any]:
    if field.is_repeated:
        return lambda text: [text]
    if field.enum_type is not None or field.message_type is not None:
        return lambda text: text
    if field.cpp_type in _INTEGER_RANGES:
        return lambda text: int(text) if _INTEGER.fullmatch(text) else None
    if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return lambda text: float(text) if _NUMBER.fullmatch(text) else None
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return {"true": True, "false": False}.get
    return lambda text: text


def _quotable(name: str) -> str:
    """Returns a client's key for an error message: short, and valid text."""
    return name[:64].encode("utf-8", "replace").decode()

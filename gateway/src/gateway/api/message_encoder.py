"""Encodes messages as JSON values; compiled once per message type."""

import base64
import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.api.fields import OBJECT, TIMESTAMP, enum_names, header_of, in_json, is_map, only_oneof
from gateway.api.objects import encode_object
from gateway.times import rfc3339

Encode: TypeAlias = Callable[[Any], Any]
_Getter: TypeAlias = Callable[[Any], Any]


@functools.cache
def compile_encoder(message: Descriptor) -> Encode:
    """Returns a function from messages of a type to JSON values."""
    return _message_encoder(message, {})


def compile_headers(message: Descriptor) -> list[tuple[bytes, Callable[[Any], str]]]:
    """Returns the header's name and a getter for each field that is sent as a header."""
    return [
        (header_of(field).lower().encode(), _attribute(field.name))
        for field in message.fields
        if header_of(field)
    ]


def compile_field_encoders(message: Descriptor) -> dict[str, Encode]:
    """Returns, for each field that JSON shows, what makes its value of a message."""
    compiled: dict[str, list[Encode]] = {}
    return {field.name: _getter(field, compiled) for field in in_json(message)}


def _message_encoder(message: Descriptor, compiled: dict[str, list[Encode]]) -> Encode:
    if message.full_name == TIMESTAMP:
        return lambda value: rfc3339(value.seconds, value.nanos)
    if message.full_name == OBJECT:
        return encode_object
    if message.full_name in compiled:
        # A recursive type: its encoder exists by the time it is called.
        later = compiled[message.full_name]
        return lambda value: later[0](value)  # noqa: PLW0108 the list is still empty
    holder = compiled[message.full_name] = []
    oneof = only_oneof(message)
    encode = _plain(message, compiled) if oneof is None else _chosen(message, oneof.name, compiled)
    holder.append(encode)
    return encode


def _plain(message: Descriptor, compiled: dict[str, list[Encode]]) -> Encode:
    getters = [(field.name, _getter(field, compiled)) for field in in_json(message)]

    def encode(value: Any) -> dict[str, Any]:
        return {name: get(value) for name, get in getters}

    return encode


def _chosen(message: Descriptor, oneof: str, compiled: dict[str, list[Encode]]) -> Encode:
    getters = {field.name: _getter(field, compiled) for field in message.oneofs_by_name[oneof].fields}

    def encode(value: Any) -> Any:
        chosen = value.WhichOneof(oneof)
        return None if chosen is None else getters[chosen](value)

    return encode


def _getter(field: FieldDescriptor, compiled: dict[str, list[Encode]]) -> _Getter:
    name = field.name
    if is_map(field):
        assert field.message_type is not None  # noqa: S101 maps are lists of entry messages
        item = _item(field.message_type.fields_by_name["value"], compiled)
        return lambda value: {str(key): item(each) for key, each in sorted(getattr(value, name).items())}
    if field.is_repeated:
        item = _item(field, compiled)
        return lambda value: [item(each) for each in getattr(value, name)]
    item = _item(field, compiled)
    if field.has_presence:
        return lambda value: item(getattr(value, name)) if value.HasField(name) else None
    if field.message_type is None and field.enum_type is None and field.cpp_type not in _FLOATS:
        return _attribute(name)
    return lambda value: item(getattr(value, name))


_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


def _item(field: FieldDescriptor, compiled: dict[str, list[Encode]]) -> Encode:
    if field.message_type is not None:
        return _message_encoder(field.message_type, compiled)
    if field.enum_type is not None:
        return enum_names(field.enum_type).get
    if field.cpp_type in _FLOATS:
        return lambda value: value if math.isfinite(value) else None
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode()
    return lambda value: value


def _attribute(name: str) -> _Getter:
    return lambda value: getattr(value, name)

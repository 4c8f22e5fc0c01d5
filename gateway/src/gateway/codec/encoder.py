"""From messages to JSON: each type compiled once into the getters of its fields."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.codec.conventions import (
    DURATION,
    TIMESTAMP,
    header_name,
    is_map,
    is_one_choice,
    map_types,
    refuse_unspeakable,
)
from gateway.codec.times import duration_text, time_text
from gateway.codec.values import json_writer

Encode: TypeAlias = Callable[[Any], Any]
"""Returns a message, or a field of one, as what `orjson` writes."""

_Types: TypeAlias = dict[str, Encode]

_TEXT_FORMS: dict[str, Encode] = {TIMESTAMP: time_text, DURATION: duration_text}


def compile_encoder(message: Descriptor, *, without: frozenset[str] = frozenset()) -> Encode:
    """Returns the encoder of a message.

    Args:
        message: The type.
        without: Fields to leave out, besides those that travel as headers.

    Raises:
        UnspeakableTypeError: a field has no form in JSON.
    """
    return _compile(message, {}, without)


def _compile(message: Descriptor, types: _Types, without: frozenset[str] = frozenset()) -> Encode:
    getters: list[tuple[str, Encode]] = []

    def encode(value: Any) -> Any:
        return {name: get(value) for name, get in getters}

    if is_one_choice(message):
        (oneof,) = message.oneofs

        def encode_choice(value: Any) -> Any:
            chosen = value.WhichOneof(oneof.name)
            return None if chosen is None else choices[chosen](value)

        types[message.full_name] = encode_choice
        choices = {field.name: _getter(field, types) for field in message.fields}
        return encode_choice
    # Entered before it is filled: a type that holds itself finds this encoder.
    types[message.full_name] = encode
    getters += [
        (field.name, _getter(field, types))
        for field in message.fields
        if field.name not in without and not header_name(field)
    ]
    return encode


def encode_field(field: FieldDescriptor) -> Encode:
    """Returns what takes one field out of its message, as JSON."""
    return _getter(field, {})


def _getter(field: FieldDescriptor, types: _Types) -> Encode:
    refuse_unspeakable(field)
    name = field.name
    if is_map(field):
        return _map_getter(field, types)
    write = _writer(field, types)
    get = attrgetter(name)
    if field.is_repeated:
        if write is None:
            return lambda message: list(get(message))
        item = write
        return lambda message: [item(each) for each in get(message)]
    if field.has_presence:
        if write is None:
            return lambda message: get(message) if message.HasField(name) else None
        present = write
        return lambda message: present(get(message)) if message.HasField(name) else None
    if write is None:
        return get
    always = write
    return lambda message: always(get(message))


def _writer(field: FieldDescriptor, types: _Types) -> Encode | None:
    if field.message_type is None:
        return json_writer(field)
    name = field.message_type.full_name
    if name in _TEXT_FORMS:
        return _TEXT_FORMS[name]
    known = types.get(name)
    return known if known is not None else _compile(field.message_type, types)


def _map_getter(field: FieldDescriptor, types: _Types) -> Encode:
    _, value_field = map_types(field)
    name, write = field.name, _writer(value_field, types)

    def get(message: Any) -> dict[str, Any]:
        entries = getattr(message, name)
        return {_key(key): entries[key] if write is None else write(entries[key]) for key in sorted(entries)}

    return get


def _key(key: object) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)

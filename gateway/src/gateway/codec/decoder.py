"""From parsed JSON to messages: each type compiled once into a table of its fields.

What is wrong is collected, never raised, so that a client learns of all its mistakes at
once. Constraints are not looked at here: the validators of `chassis.grpc.constraints`
judge the finished message, at the edge as in the services.
"""

import json
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeAlias

from chassis.errors import FieldError
from chassis.grpc.field_rules import field_rules
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.codec.conventions import (
    DURATION,
    TIMESTAMP,
    header_name,
    is_map,
    map_types,
    refuse_unspeakable,
)
from gateway.codec.times import set_duration, set_time
from gateway.codec.values import Read, json_reader, text_reader

Put: TypeAlias = Callable[[Any, Any, str, list[FieldError]], None]
"""Puts a JSON value into a message; takes message, value, the path of the field, and the errors."""

UNKNOWN = "is not a known field"
NOT_NULL = "must not be null"
_NAME_LENGTH_MAX = 100

_TEXT_FORMS: dict[str, Callable[[Any, str], None]] = {TIMESTAMP: set_time, DURATION: set_duration}


class MessageDecoder:
    """Fills messages of one type from JSON objects."""

    def __init__(self, message: Descriptor, fields: Iterable[FieldDescriptor], types: "DecoderTypes") -> None:
        """Compiles the fields that may come in JSON."""
        chosen = list(fields)
        self._oneofs = {field.name: field.containing_oneof for field in chosen if _shares_a_oneof(field)}
        self._puts: dict[str, Put] = {}
        # Entered before it is filled: a type that holds itself finds this decoder.
        types.setdefault(message.full_name, self)
        for field in chosen:
            self._puts[field.name] = _put(field, types)

    def fill(self, message: Any, given: dict[str, Any], prefix: str, errors: list[FieldError]) -> None:
        """Fills the message; what is null stays absent."""
        puts = self._puts
        for name, value in given.items():
            put = puts.get(name)
            if put is None:
                errors.append(FieldError(prefix + shown(name), UNKNOWN))
            elif value is not None:
                put(message, value, prefix + name, errors)
        if self._oneofs:
            self._refuse_two_of_one(given, prefix, errors)

    def _refuse_two_of_one(self, given: dict[str, Any], prefix: str, errors: list[FieldError]) -> None:
        seen: dict[str, str] = {}
        for name, value in given.items():
            oneof = self._oneofs.get(name)
            if oneof is not None and value is not None:
                first = seen.setdefault(oneof.name, name)
                if first != name:
                    errors.append(FieldError(prefix + name, f"must not be given together with {first}"))


DecoderTypes: TypeAlias = dict[str, MessageDecoder]


def compile_decoder(message: Descriptor, *, without: Collection[str] = ()) -> MessageDecoder:
    """Returns the decoder of a message.

    Args:
        message: The type.
        without: Fields that come from elsewhere (path, header) and are unknown in JSON.

    Raises:
        UnspeakableTypeError: a field has no form in JSON.
    """
    fields = [field for field in message.fields if field.name not in without and not header_name(field)]
    return MessageDecoder(message, fields, {})


def put_text(field: FieldDescriptor) -> Put:
    """Returns what puts a text from a path, query or header into a message."""
    if field.message_type is not None:
        return _text_form_put(field.name, _TEXT_FORMS[field.message_type.full_name])
    return _scalar_put(field.name, text_reader(field))


def add_texts(field: FieldDescriptor) -> Put:
    """Returns what puts the texts of a repeated query parameter into a message."""
    name, read = field.name, text_reader(field)

    def put(message: Any, texts: list[str], path: str, errors: list[FieldError]) -> None:
        items = getattr(message, name)
        for index, text in enumerate(texts):
            try:
                items.append(read(text))
            except ValueError as error:
                errors.append(FieldError(f"{path}[{index}]", str(error)))

    return put


def has_text_form(field: FieldDescriptor) -> bool:
    """Whether a field can come in a path, query or header."""
    if field.message_type is None:
        return True
    return field.message_type.full_name in _TEXT_FORMS and not field.is_repeated


def default_puts(fields: Iterable[FieldDescriptor]) -> list[tuple[str, Any]]:
    """Returns the values that fields take when they are absent, by name, as messages take them."""
    return [
        (field.name, json_reader(field)(json.loads(rules.default_value)))
        for field in fields
        if (rules := field_rules(field)).default_value
    ]


def shown(name: str) -> str:
    """Returns an unknown field's name as an answer may carry it."""
    return name[:_NAME_LENGTH_MAX].encode("utf-8", "replace").decode()


def _shares_a_oneof(field: FieldDescriptor) -> bool:
    oneof = field.containing_oneof
    return oneof is not None and len(oneof.fields) > 1


def _put(field: FieldDescriptor, types: DecoderTypes) -> Put:
    refuse_unspeakable(field)
    if is_map(field):
        return _map_put(field, types)
    if field.is_repeated:
        return _list_put(field, types)
    if field.message_type is None:
        return _scalar_put(field.name, json_reader(field))
    form = _TEXT_FORMS.get(field.message_type.full_name)
    if form is not None:
        return _text_form_put(field.name, form)
    return _message_put(field.name, _of(field.message_type, types))


def _of(message: Descriptor, types: DecoderTypes) -> MessageDecoder:
    known = types.get(message.full_name)
    if known is not None:
        return known
    return MessageDecoder(message, (field for field in message.fields if not header_name(field)), types)


def _scalar_put(name: str, read: Read) -> Put:
    def put(message: Any, value: Any, path: str, errors: list[FieldError]) -> None:
        try:
            setattr(message, name, read(value))
        except ValueError as error:
            errors.append(FieldError(path, str(error)))

    return put


def _text_form_put(name: str, form: Callable[[Any, str], None]) -> Put:
    def put(message: Any, value: Any, path: str, errors: list[FieldError]) -> None:
        if type(value) is not str:
            errors.append(FieldError(path, "must be a string"))
            return
        try:
            form(getattr(message, name), value)
        except ValueError as error:
            errors.append(FieldError(path, str(error)))

    return put


def _message_put(name: str, decoder: MessageDecoder) -> Put:
    def put(message: Any, value: Any, path: str, errors: list[FieldError]) -> None:
        if type(value) is not dict:
            errors.append(FieldError(path, "must be an object"))
            return
        inner = getattr(message, name)
        inner.SetInParent()
        decoder.fill(inner, value, path + ".", errors)

    return put


def _list_put(field: FieldDescriptor, types: DecoderTypes) -> Put:
    name, add = field.name, _adder(field, types)

    def put(message: Any, value: Any, path: str, errors: list[FieldError]) -> None:
        if type(value) is not list:
            errors.append(FieldError(path, "must be a list"))
            return
        items = getattr(message, name)
        for index, item in enumerate(value):
            if item is None:
                errors.append(FieldError(f"{path}[{index}]", NOT_NULL))
            else:
                add(items, item, f"{path}[{index}]", errors)

    return put


def _adder(field: FieldDescriptor, types: DecoderTypes) -> Put:
    """Returns what adds one JSON value to a list."""
    if field.message_type is None:
        read = json_reader(field)

        def add(items: Any, value: Any, path: str, errors: list[FieldError]) -> None:
            try:
                items.append(read(value))
            except ValueError as error:
                errors.append(FieldError(path, str(error)))

        return add
    form = _TEXT_FORMS.get(field.message_type.full_name)
    decoder = None if form is not None else _of(field.message_type, types)

    def add_message(items: Any, value: Any, path: str, errors: list[FieldError]) -> None:
        _fill_item(items.add(), form, decoder, value, path, errors)

    return add_message


def _fill_item(
    item: Any,
    form: Callable[[Any, str], None] | None,
    decoder: MessageDecoder | None,
    value: Any,
    path: str,
    errors: list[FieldError],
) -> None:
    if decoder is not None:
        if type(value) is dict:
            decoder.fill(item, value, path + ".", errors)
        else:
            errors.append(FieldError(path, "must be an object"))
    elif form is not None:
        try:
            form(item, value if type(value) is str else "")
        except ValueError as error:
            errors.append(FieldError(path, str(error)))


def _map_put(field: FieldDescriptor, types: DecoderTypes) -> Put:
    key_field, value_field = map_types(field)
    name, read_key = field.name, text_reader(key_field)
    inner = value_field.message_type
    form = _TEXT_FORMS.get(inner.full_name) if inner is not None else None
    decoder = _of(inner, types) if inner is not None and form is None else None
    read = json_reader(value_field) if inner is None else None

    def put(message: Any, value: Any, path: str, errors: list[FieldError]) -> None:
        if type(value) is not dict:
            errors.append(FieldError(path, "must be an object"))
            return
        entries = getattr(message, name)
        for key, item in value.items():
            where = f"{path}.{shown(key)}"
            try:
                read_entry = read_key(key)
                if item is None:
                    raise ValueError(NOT_NULL)
                if read is not None:
                    entries[read_entry] = read(item)
                    continue
            except ValueError as error:
                errors.append(FieldError(where, str(error)))
                continue
            _fill_item(entries[read_entry], form, decoder, item, where, errors)

    return put

"""Validators of messages, compiled from the constraints in the protos, one per message type.

Reading rules by reflection on each call would cost more than the call. Compiled once, a
type whose fields can hold anything costs nothing at all.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis.errors import FieldError, Invalid
from chassis.grpc.field_rules import ANYTHING, Constraints, constraints
from chassis.grpc.value_checks import REQUIRED, Check, check_item_count, compile_check

Validator: TypeAlias = Callable[[Message], None]
_Step: TypeAlias = Callable[[Message, str, list[FieldError]], None]
_Compiled: TypeAlias = dict[str, list[_Step]]


@functools.cache
def compile_validator(message: Descriptor) -> Validator | None:
    """Returns what validates messages of a type; None when any message will do.

    The validator raises `Invalid`, naming every field that is wrong, never its value.

    Raises:
        UnsupportedRuleError: a field declares a rule that is not enforced here.
    """
    steps = _steps(message, {})
    if not steps:
        return None

    def validate(value: Message) -> None:
        errors: list[FieldError] = []
        for step in steps:
            step(value, "", errors)
        if errors:
            raise Invalid(field_errors=errors)

    return validate


def _steps(message: Descriptor, compiled: _Compiled) -> list[_Step]:
    if message.full_name in compiled:
        return compiled[message.full_name]
    # Entered before it is filled: a type that holds itself finds its own list.
    steps = compiled[message.full_name] = []
    for field in message.fields:
        step = _step(field, compiled)
        if step is not None:
            steps.append(step)
    return steps


def _step(field: FieldDescriptor, compiled: _Compiled) -> _Step | None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_step(field, compiled)
    if field.is_repeated:
        return _list_step(field, compiled)
    if field.message_type is not None:
        return _message_step(field, compiled)
    return _value_step(field)


def _value_step(field: FieldDescriptor) -> _Step | None:
    allowed = constraints(field)
    check, required = compile_check(field, allowed), allowed.required
    name, has_presence = field.name, field.has_presence
    if check is None and not required:
        return None
    # A false without presence is a value. Anything else that is empty without it is absent where
    # that is an error; otherwise the checks hold for it, as in protovalidate.
    skip_empty = allowed.skip_empty or (
        not has_presence
        and field.type != FieldDescriptor.TYPE_BOOL
        and (required or check is None or check(field.default_value) is None)
    )
    must_hold_something = required and field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)

    def step(message: Message, prefix: str, errors: list[FieldError]) -> None:
        value = getattr(message, name)
        if not value and (skip_empty or must_hold_something or (has_presence and not message.HasField(name))):
            if required:
                errors.append(FieldError(prefix + name, REQUIRED))
            return
        if check is not None and (wrong := check(value)):
            errors.append(FieldError(prefix + name, wrong))

    return step


def _message_step(field: FieldDescriptor, compiled: _Compiled) -> _Step | None:
    name, required = field.name, constraints(field).required
    inner = _nested(field, compiled)
    if inner is None and not required:
        return None

    def step(message: Message, prefix: str, errors: list[FieldError]) -> None:
        if message.HasField(name):
            for each in inner or ():
                each(getattr(message, name), f"{prefix}{name}.", errors)
        elif required:
            errors.append(FieldError(prefix + name, REQUIRED))

    return step


_ItemCheck: TypeAlias = Callable[[Any, str, list[FieldError]], None]


def _item_check(field: FieldDescriptor, allowed: Constraints, compiled: _Compiled) -> _ItemCheck | None:
    if field.message_type is not None:
        inner = _nested(field, compiled)
        if inner is None:
            return None

        def walk(item: Message, path: str, errors: list[FieldError]) -> None:
            for each in inner:
                each(item, path + ".", errors)

        return walk
    return _named(compile_check(field, allowed))


def _named(check: Check | None) -> _ItemCheck | None:
    if check is None:
        return None

    def name_it(item: object, path: str, errors: list[FieldError]) -> None:
        if wrong := check(item):
            errors.append(FieldError(path, wrong))

    return name_it


def _list_step(field: FieldDescriptor, compiled: _Compiled) -> _Step | None:
    allowed = constraints(field)
    item_check = _item_check(field, allowed.items or ANYTHING, compiled)
    name, required, count = field.name, allowed.required, check_item_count(allowed)
    skip_empty = allowed.skip_empty
    if item_check is None and count is None and not required:
        return None

    def step(message: Message, prefix: str, errors: list[FieldError]) -> None:
        items = getattr(message, name)
        path = prefix + name
        if not items and (required or skip_empty):
            if required:
                errors.append(FieldError(path, REQUIRED))
        elif count is not None and (wrong := count(items)):
            errors.append(FieldError(path, wrong))
        elif item_check is not None:
            for index, item in enumerate(items):
                item_check(item, f"{path}[{index}]", errors)

    return step


def _map_step(field: FieldDescriptor, compiled: _Compiled) -> _Step | None:
    entry = field.message_type
    assert entry is not None  # noqa: S101 maps are lists of entry messages
    allowed = constraints(field)
    name, required, count = field.name, allowed.required, check_item_count(allowed)
    skip_empty = allowed.skip_empty
    key_check = _named(compile_check(entry.fields_by_name["key"], allowed.keys or ANYTHING))
    value_check = _item_check(entry.fields_by_name["value"], allowed.items or ANYTHING, compiled)
    if key_check is None and value_check is None and count is None and not required:
        return None

    def step(message: Message, prefix: str, errors: list[FieldError]) -> None:
        entries = getattr(message, name)
        path = prefix + name
        if not entries and (required or skip_empty):
            if required:
                errors.append(FieldError(path, REQUIRED))
        elif count is not None and (wrong := count(entries)):
            errors.append(FieldError(path, wrong))
        else:
            for key in entries:
                if key_check is not None:
                    key_check(key, path, errors)
                if value_check is not None:
                    value_check(entries[key], path, errors)

    return step


def _nested(field: FieldDescriptor, compiled: _Compiled) -> list[_Step] | None:
    assert field.message_type is not None  # noqa: S101 the callers have looked
    in_progress = field.message_type.full_name in compiled
    inner = _steps(field.message_type, compiled)
    return inner if inner or in_progress else None

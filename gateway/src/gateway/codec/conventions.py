"""The few conventions between JSON and messages that both directions share."""

import re
from typing import Any

from chassis.grpc.field_rules import field_rules
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"
HTTP_BODY = "google.api.HttpBody"
PAGINATION = "vestibule.api.v1.Pagination"

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class UnspeakableTypeError(Exception):
    """A message holds a type for which there is no form in JSON here."""


def enum_words(enum: EnumDescriptor) -> dict[int, str]:
    """Returns the words of an enum by number: `ROLE_ADMIN` is `admin`; the unspecified zero has none."""
    prefix = _WORD.sub("_", enum.name).upper() + "_"
    words = {value.number: value.name.removeprefix(prefix).lower() for value in enum.values}
    if words.get(0) == "unspecified":
        del words[0]
    return words


def header_name(field: FieldDescriptor) -> str:
    """Returns the HTTP header that a field travels as; empty when it travels in the JSON."""
    return field_rules(field).header


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def map_types(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """Returns the fields that hold a map's key and value."""
    members: Any = field.message_type and field.message_type.fields_by_name
    return members["key"], members["value"]


def is_one_choice(message: Descriptor) -> bool:
    """Whether a message is nothing but one oneof: in JSON its set member stands for it."""
    real = [oneof for oneof in message.oneofs if not _is_synthetic(oneof)]
    return len(real) == 1 and len(real[0].fields) == len(message.fields)


def refuse_unspeakable(field: FieldDescriptor) -> None:
    """Makes sure that a field's type has a form in JSON.

    Raises:
        UnspeakableTypeError: it is one of protobuf's special types that nothing here uses.
    """
    message = field.message_type
    if message is not None and message.file.package == "google.protobuf":
        if message.full_name not in (TIMESTAMP, DURATION) and message.fields:
            raise UnspeakableTypeError(f"{field.full_name}: {message.full_name} has no form in JSON here")


def _is_synthetic(oneof: Any) -> bool:
    """`optional` makes a oneof of its own for a field, named after it with an underscore."""
    return len(oneof.fields) == 1 and oneof.name == f"_{oneof.fields[0].name}"

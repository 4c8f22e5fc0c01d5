"""The mapping of fields and values to JSON.

Names are snake_case as in the protos. An enum value is lower case without its type's name
(`ROLE_ADMIN` is `admin`). A field with a `header` or a `cookie` is sent as that. A message whose other
fields all belong to one oneof is encoded as the member that is set.
"""

import re

from chassis.grpc.field_rules import constraints, field_rules
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor

TIMESTAMP = "google.protobuf.Timestamp"
OBJECT = "google.protobuf.Struct"
PAGINATION = "vestibule.api.v1.Pagination"
EMPTY = "google.protobuf.Empty"


def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """Returns the JSON name of each value but the unspecified one."""
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper() + "_"
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.values if value.number}


def header_of(field: FieldDescriptor) -> str:
    """Returns the header that a field is sent as; empty for other fields."""
    return field_rules(field).header


def cookie_of(field: FieldDescriptor) -> str:
    """Returns the cookie that a field is sent as; empty for other fields."""
    return field_rules(field).cookie.name


def in_json(message: Descriptor) -> list[FieldDescriptor]:
    """Returns the fields of a message that are in its JSON."""
    return [field for field in message.fields if not header_of(field) and not cookie_of(field)]


def real_oneof(message: Descriptor) -> OneofDescriptor | None:
    """Returns the first oneof that the proto declares as one; None when there is none."""
    return next((oneof for oneof in message.oneofs if not _synthetic(oneof)), None)


def only_oneof(message: Descriptor) -> OneofDescriptor | None:
    """Returns the oneof that all fields in JSON belong to; None if there is none."""
    oneof = real_oneof(message)
    return oneof if oneof is not None and len(oneof.fields) == len(in_json(message)) else None


def takes_null(field: FieldDescriptor) -> bool:
    """Returns whether null in a request means that the field is absent: only for times.

    Responses have null for a time that is not set, and clients may send back what they received.
    """
    is_time = field.message_type is not None and field.message_type.full_name == TIMESTAMP
    return is_time and not field.is_repeated and not constraints(field).required


def is_map(field: FieldDescriptor) -> bool:
    """Returns whether a field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _synthetic(oneof: OneofDescriptor) -> bool:
    """Returns whether a oneof only stands for an `optional` field."""
    return oneof.name.startswith("_") and len(oneof.fields) == 1

"""What the protos say about a field: `buf.validate.field` on what it may hold, our own option on the rest.

Rules of protovalidate that the checks do not know are refused, so that no rule stands in a proto
without being enforced.
"""

import functools
from enum import Enum
from typing import Any, TypeAlias

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from vestibule.api.v1 import options_pb2, string_rules_pb2

from chassis.dataclass import dataclass

Rules: TypeAlias = validate_pb2.FieldRules


class UnsupportedRuleError(Exception):
    """A proto declares a rule that is not enforced here."""


class Form(Enum):
    """A well-known form of a string."""

    EMAIL = "email"
    UUID = "uuid"
    LINE = "line"
    NOT_BLANK = "not blank"


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a field, or one item of it, may hold.

    Attributes:
        required: Whether it must be sent, and hold something if it is text, bytes, a list or a map.
        skip_empty: Whether the other rules leave an empty value alone that was sent.
        length_min: Fewest code points of a string, bytes, or items; 0 for any number.
        length_max: Most of them; 0 for any number.
        form: The form of a string.
        pattern: A regular expression that is found in a string.
        pattern_in_words: What it asks for, behind "must be"; empty where the proto does not say.
        one_of: The only strings allowed; empty for any.
        minimum: Smallest number.
        maximum: Largest number.
        items: Of each item of a list, or each value of a map.
        keys: Of each key of a map.
    """

    required: bool = False
    skip_empty: bool = False
    length_min: int = 0
    length_max: int = 0
    form: Form | None = None
    pattern: str = ""
    pattern_in_words: str = ""
    one_of: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    items: "Constraints | None" = None
    keys: "Constraints | None" = None


ANYTHING = Constraints()
"""No constraint."""

_FORMS = {
    "buf.validate.StringRules.uuid": Form.UUID,
    string_rules_pb2.email_address.full_name: Form.EMAIL,
    string_rules_pb2.line.full_name: Form.LINE,
    string_rules_pb2.not_blank.full_name: Form.NOT_BLANK,
}
_NAMES = {
    "min_len": "length_min",
    "min_items": "length_min",
    "min_pairs": "length_min",
    "max_len": "length_max",
    "max_items": "length_max",
    "max_pairs": "length_max",
    "pattern": "pattern",
    "pattern_in_words": "pattern_in_words",
    "gte": "minimum",
    "lte": "maximum",
}
_NESTED = {"items": "items", "values": "items", "keys": "keys"}
_ENUM_RULES = frozenset({"defined_only"})


@functools.cache
def field_rules(field: FieldDescriptor) -> options_pb2.FieldRules:
    """Returns how a field travels and who may see it; empty rules when the proto gives none."""
    return field.GetOptions().Extensions[options_pb2.field]


@functools.cache
def constraints(field: FieldDescriptor) -> Constraints:
    """Returns what a field may hold.

    Raises:
        UnsupportedRuleError: the proto declares a rule that is not enforced here.
    """
    return _read(field.GetOptions().Extensions[validate_pb2.field], field.full_name)


def _read(rules: Rules, where: str) -> Constraints:
    found: dict[str, Any] = {}
    for descriptor, value in rules.ListFields():
        match descriptor.name:
            case "required":
                found["required"] = value
            case "ignore" if value == validate_pb2.IGNORE_IF_ZERO_VALUE:
                found["skip_empty"] = True
            case _ if descriptor.containing_oneof is not None and descriptor.containing_oneof.name == "type":
                found |= _read_typed(value, where)
            case _:
                raise _unsupported(descriptor.name, where)
    return Constraints(**found)


def _read_typed(rules: Message, where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for descriptor, value in rules.ListFields():
        name = descriptor.name
        if form := _FORMS.get(descriptor.full_name):
            found["form"] = form if value else None
        elif name == "in" and isinstance(rules, validate_pb2.StringRules):
            found["one_of"] = tuple(value)
        elif name in _NESTED:
            found[_NESTED[name]] = _read(value, where)
        elif name in _NAMES:
            found[_NAMES[name]] = value
        elif not (isinstance(rules, validate_pb2.EnumRules) and name in _ENUM_RULES):
            raise _unsupported(f"{rules.DESCRIPTOR.name}.{name}", where)
    return found


def _unsupported(rule: str, where: str) -> UnsupportedRuleError:
    return UnsupportedRuleError(
        f"{where}: buf.validate's rule {rule} is not enforced here: use one that is (docs/development.md, "
        "field rules), or check it in the use case"
    )

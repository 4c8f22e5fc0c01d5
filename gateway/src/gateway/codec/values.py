"""Single values: from JSON, from text in a path or query, and to JSON, for each type of field."""

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from gateway.codec.conventions import enum_words

Read: TypeAlias = Callable[[Any], Any]
"""Returns the value as the message takes it, or raises ValueError with words for the client."""

_INTEGER = re.compile(r"-?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,4})?", re.ASCII)

_INTEGER_BOUNDS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOAT_MAX = 3.4028234663852886e38


def json_reader(field: FieldDescriptor) -> Read:
    """Returns what reads one value of a field from parsed JSON; nothing is converted or guessed."""
    if field.enum_type is not None:
        return _enum_reader(field.enum_type)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _read_string
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _read_bytes
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _read_bool
    if field.cpp_type in _INTEGER_BOUNDS:
        return _integer_reader(*_INTEGER_BOUNDS[field.cpp_type])
    return _number_reader(_FLOAT_MAX if field.type == FieldDescriptor.TYPE_FLOAT else math.inf)


def text_reader(field: FieldDescriptor) -> Read:
    """Returns what reads one value of a field from the text of a path segment, query or header."""
    read = json_reader(field)
    if field.enum_type is not None or field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return read
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _read_bool_text
    if field.cpp_type in _INTEGER_BOUNDS:
        return lambda text: read(int(_matching(_INTEGER, text, "must be an integer")))
    return lambda text: read(float(_matching(_NUMBER, text, "must be a number")))


def json_writer(field: FieldDescriptor) -> Callable[[Any], Any] | None:
    """Returns what turns one value of a field into JSON; None when it is the same there."""
    if field.enum_type is not None:
        words = enum_words(field.enum_type)
        return words.get
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode()
    return None


def _matching(pattern: re.Pattern[str], text: str, wrong: str) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueError(wrong)
    return text


def _read_string(value: object) -> str:
    if type(value) is not str:
        raise ValueError("must be a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("must be valid Unicode text") from None
    return value


def _read_bytes(value: object) -> bytes:
    try:
        return base64.b64decode(_read_string(value), validate=True)
    except binascii.Error:
        raise ValueError("must be base64") from None


def _read_bool(value: object) -> bool:
    if type(value) is not bool:
        raise ValueError("must be true or false")
    return value


def _read_bool_text(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _integer_reader(least: int, most: int) -> Read:
    def read(value: object) -> int:
        # JSON has one kind of number: 1.0 is an integer. A truth value is none.
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise ValueError(
                "must be an integer" if value not in (math.inf, -math.inf) else _between(least, most)
            )
        if not least <= value <= most:
            raise ValueError(_between(least, most))
        return value

    return read


def _number_reader(most: float) -> Read:
    def read(value: object) -> float:
        if type(value) is not float and type(value) is not int:
            raise ValueError("must be a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if abs(number) > most or not math.isfinite(number):
            raise ValueError("is too large")
        return number

    return read


def _enum_reader(enum: EnumDescriptor) -> Read:
    numbers = {word: number for number, word in enum_words(enum).items()}
    wrong = f"must be one of {', '.join(numbers)}"

    def read(value: object) -> int:
        if type(value) is not str or value not in numbers:
            raise ValueError(wrong)
        return numbers[value]

    return read


def _between(least: int, most: int) -> str:
    return f"must be between {least} and {most}"

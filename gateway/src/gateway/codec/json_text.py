"""Reading JSON: fast where it is ordinary, exact where it is odd."""

import json
import math
from typing import Any, NoReturn

import orjson

_INT_DIGITS_MAX = 64


class NotJsonError(Exception):
    """The bytes are not JSON in UTF-8."""


def read_json(raw: bytes) -> Any:
    """Returns what the JSON says.

    The fast parser refuses some JSON that is well formed: lone surrogates, numbers beyond
    a double. These are for the field's check to refuse, by the field's name, so they are
    read again by the patient one. A number without bounds becomes infinite.

    Raises:
        NotJsonError: it is not JSON, or nested deeper than anything the protos hold.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(raw.decode("utf-8"), parse_int=_read_int, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotJsonError from error


def _read_int(digits: str) -> int | float:
    if len(digits) > _INT_DIGITS_MAX:
        return -math.inf if digits[0] == "-" else math.inf
    return int(digits)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")

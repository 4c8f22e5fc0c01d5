"""`Idempotency-Key`: names a POST so that the client can safely retry it.

The service keeps the first response in the transaction of the change; the gateway keeps nothing.
"""

import re

from chassis.errors import Invalid

from gateway.http.request import Request
from gateway.http.response import Header

HEADER = "Idempotency-Key"
KEY_LENGTH_MAX = 128
REPLAYED: Header = (b"idempotency-replayed", b"true")

_NAME = HEADER.lower().encode()
_KEY = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?")


def idempotency_key(request: Request) -> str:
    """Returns the key of a request; empty if it has none.

    Raises:
        Invalid: it is malformed.
    """
    key = request.headers.get(_NAME)
    if key is None:
        return ""
    if not _KEY.fullmatch(key):
        raise Invalid.on(HEADER, f"must be 1 to {KEY_LENGTH_MAX} characters of ASCII")
    return key.decode()


def check_no_idempotency_key(request: Request) -> None:
    """Refuses a key where the response streams: it is not stored, so a retry would not be safe.

    Raises:
        Invalid: there is one.
    """
    if request.method == "POST" and _NAME in request.headers:
        raise Invalid.on(HEADER, "is not for responses that stream: they are not stored")

"""`Idempotency-Key`: how a client names a POST that it may send again.

The service that is called keeps the first answer, with the change that it tells of; the
gateway keeps nothing.
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
    """Returns the key of a request; empty when it has none.

    Raises:
        Invalid: it cannot be a key.
    """
    key = request.headers.get(_NAME)
    if key is None:
        return ""
    if not _KEY.fullmatch(key):
        raise Invalid.on(HEADER, f"must be 1 to {KEY_LENGTH_MAX} characters of ASCII")
    return key.decode()

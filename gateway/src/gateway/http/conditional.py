"""Conditional requests: a response that the client has is not sent again (RFC 9110, 13.1.2)."""

import hashlib

from gateway.http.request import Request
from gateway.http.response import Header


def etag_of(body: bytes) -> bytes:
    """Returns the `ETag` of a body that has no version of its own."""
    return b'"' + hashlib.blake2b(body, digest_size=16).hexdigest().encode() + b'"'


def is_unchanged(request: Request, headers: tuple[Header, ...]) -> bool:
    """Returns whether `If-None-Match` names the response's `ETag`."""
    wanted = request.headers.get(b"if-none-match")
    if not wanted or request.method not in ("GET", "HEAD"):
        return False
    etag = next((value for name, value in headers if name == b"etag"), None)
    if etag is None:
        return False
    return wanted.strip() == b"*" or etag in (part.strip().removeprefix(b"W/") for part in wanted.split(b","))

"""Cookies (RFC 6265): the pairs that a client sends, and the fields that set them."""

import re
from collections.abc import Iterator

_VALUE = re.compile(r"[A-Za-z0-9._~-]+")


def cookies(header: str) -> Iterator[tuple[str, str]]:
    """Yields name and value of each cookie that a client sends; what is malformed is left out.

    Args:
        header: The `Cookie` field; empty when there is none. HTTP/1.1 clients send one, and lines
            that were joined by commas are read alike.
    """
    for pair in re.split("[;,]", header):
        name, equals, value = pair.strip().partition("=")
        if equals and _VALUE.fullmatch(value):
            yield name, value


def set_cookie(name: str, value: str, *, path: str, max_age_seconds: int) -> bytes:
    """Returns a `Set-Cookie` field for a cookie that no script reads and no other site sends.

    Raises:
        ValueError: the value is more than letters, digits and `._~-`.
    """
    if not _VALUE.fullmatch(value):
        raise ValueError(name)
    text = f"{name}={value}; Path={path}; Max-Age={max_age_seconds}; HttpOnly; SameSite=Strict"
    return text.encode("ascii")

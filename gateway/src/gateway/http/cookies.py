"""Cookies (RFC 6265): reading those of a request, and writing `Set-Cookie`."""

import re
from collections.abc import Iterator

_VALUE = re.compile(r"[A-Za-z0-9._~-]+")


def cookies(header: str) -> Iterator[tuple[str, str]]:
    """Yields name and value of each cookie of a request; malformed ones are skipped.

    A comma and every space but the two of ASCII belong to a name or a value: browsers let neighbouring hosts
    set cookies with them, and check what a name begins with (`__Host-`) without dropping any of them.

    Args:
        header: The `Cookie` field; empty when there is none.
    """
    for pair in header.split(";"):
        name, equals, value = pair.strip(" \t").partition("=")
        if equals and _VALUE.fullmatch(value):
            yield name, value


ALWAYS_SECURE = b"__Host-"
"""Browsers take a cookie of such a name only with `Secure`, for the whole host and for no other."""


def set_cookie(name: str, value: str, *, path: str, max_age_seconds: int) -> bytes:
    """Returns a `Set-Cookie` field without `Secure`, hidden from scripts and bound to this site.

    Raises:
        ValueError: the value has other characters than letters, digits and `._~-`.
    """
    if value and not _VALUE.fullmatch(value):
        raise ValueError(name)
    text = f"{name}={value}; Path={path}; Max-Age={max_age_seconds}; HttpOnly; SameSite=Strict"
    return text.encode("ascii")

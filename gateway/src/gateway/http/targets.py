"""`Host` and path of a request, by RFC 9110, 9112 and 3986."""

import re
from functools import lru_cache
from ipaddress import IPv6Address

from gateway.http.problems import BadRequest

_HOST = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]{2,45})(?:%25[A-Za-z0-9._~-]+)?\]|([A-Za-z0-9._~-]+))(?::([0-9]{0,5}))?"
)
_PORT_MAX = 65535
_PATH = re.compile(rb"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

NO_HOST = "Send one Host field, as HTTP/1.1 asks for."
BAD_HOST = "Send one Host field that holds a name or an address, and at most a port."
BAD_PATH = "The path is not a URI: encode what is not in RFC 3986, and write a percent sign as %25."


@lru_cache(maxsize=1024)
def is_host(host: bytes) -> bool:
    """Returns whether a `Host` field holds one name or address, and at most a port (RFC 9110, 7.2)."""
    match = _HOST.fullmatch(host)
    if match is None or int(match[3] or 0) > _PORT_MAX:
        return False
    if match[1] is None:
        return True
    try:
        IPv6Address(match[1].decode())
    except ValueError:
        return False
    return True


def canonical_path(raw: bytes) -> bytes:
    """Returns the canonical path: characters that need no percent-encoding are decoded, others stay encoded.

    An encoded slash therefore separates nothing, and `%6De` is `me` (RFC 3986, 6.2.2).
    """
    return raw if b"%" not in raw else _ESCAPE.sub(_decoded, raw)


def check_path(path: bytes) -> None:
    """Checks a path against RFC 3986.

    Raises:
        BadRequest: it has a character that no path may have, or a percent sign without two digits.
    """
    if not _PATH.fullmatch(path):
        raise BadRequest(BAD_PATH)


def _decoded(escape: re.Match[bytes]) -> bytes:
    number = int(escape[1], 16)
    return bytes((number,)) if number in _UNRESERVED else escape[0].upper()

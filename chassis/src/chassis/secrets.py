"""What makes a secret no secret: the strict profile refuses to start with one.

A secret is weak when it is an example that everybody knows, when it is short, or when so few
different characters make it up that it was typed and not drawn.
"""

import re
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

LENGTH_MIN = 16
"""Fewest characters of a secret: 16 drawn from an alphabet of 64 are 96 bits."""

DIFFERENT_MIN = 8
"""Fewest different characters; of 16 drawn at random fewer are alike, but for one in a million."""

_EXAMPLES = re.compile(
    r"change.?me|changeit|example|secret|passw(or)?d|default|letmein|qwerty|vestibule|postgres|"
    r"development|insecure|correct.horse|dummy|placeholder|sample",
    re.IGNORECASE,
)

_TYPED_RUN = re.compile(r"12345[67890]*")
"""A run of digits that people type. It also stands in one of 20,000 hexadecimal secrets drawn at
random, so it makes a secret weak only where the rest is too short or too uniform."""

_POSTGRES = frozenset({"postgres", "postgresql"})
_WITH_PASSWORD = _POSTGRES | {"redis", "rediss"}
_WITHOUT_TLS = {"redis": "rediss://", "smtp": "smtps:// or smtp+starttls://"}
_LOCAL_HOSTS = frozenset({"", "localhost"})


def weakness(secret: str) -> str | None:
    """Returns what is weak about a secret, in words that do not tell it; None when nothing is."""
    if _EXAMPLES.search(secret):
        return "it is, or is built around, an example that everybody knows"
    if len(secret) < LENGTH_MIN:
        return f"it has {len(secret)} characters, not {LENGTH_MIN} or more"
    if len(set(secret)) < DIFFERENT_MIN:
        return f"it has only {len(set(secret))} different characters"
    rest = _TYPED_RUN.sub("", secret)
    if len(rest) < LENGTH_MIN or len(set(rest)) < DIFFERENT_MIN:
        return "it is, or is built around, an example that everybody knows"
    return None


def is_local(host: str | None) -> bool:
    """Whether a host is this machine, so that nothing crosses a network on the way to it."""
    if host is None or host in _LOCAL_HOSTS or host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def weakness_of_url(url: str, password: str | None = None) -> str | None:
    """Returns what is weak about the way to a server; None when nothing is.

    Args:
        url: Where the server is.
        password: Its password, when that does not stand in the URL.
    """
    parts = urlsplit(url)
    found = parts.password or password
    weak = None if found is None else weakness(found)
    if weak is not None:
        return f"its password is weak: {weak}"
    if is_local(parts.hostname):
        return None
    if found is None and parts.scheme in _WITH_PASSWORD:
        return "it has no password"
    if parts.scheme in _WITHOUT_TLS:
        return f"it goes over the network without TLS: write {_WITHOUT_TLS[parts.scheme]}"
    mode = parse_qs(parts.query).get("sslmode", [""])[-1]
    if parts.scheme in _POSTGRES and not mode.startswith("verify-"):
        return "it goes over the network without TLS that is verified: add sslmode=verify-full"
    return None

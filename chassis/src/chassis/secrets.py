"""Weak secrets, which the strict profile refuses.

A secret is weak if it contains a well-known example, is short, or has so few different characters that it
was typed rather than generated.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

LENGTH_MIN = 16
"""Minimum length: 16 random characters from an alphabet of 64 have 96 bits."""

DIFFERENT_MIN = 8
"""Minimum number of different characters; only one in a million random secrets of 16 has fewer."""

_EXAMPLES = re.compile(
    r"change.?me|changeit|example|secret|passw(or)?d|default|letmein|qwerty|vestibule|postgres|"
    r"development|insecure|correct.horse|dummy|placeholder|sample",
    re.IGNORECASE,
)

_TYPED_RUN = re.compile(r"12345[67890]*")
"""Digits in typing order. One of 20,000 random hexadecimal secrets contains them, so they make a secret weak
only if the rest is too short or too uniform."""

_POSTGRES = frozenset({"postgres", "postgresql"})
_REDIS_BY_TLS = frozenset({"rediss", "valkeys"})
_WITH_PASSWORD = _POSTGRES | _REDIS_BY_TLS | {"redis", "valkey"}
_WITHOUT_TLS = {"redis": "rediss://", "valkey": "valkeys://", "smtp": "smtps:// or smtp+starttls://"}
_LOCAL_HOSTS = frozenset({"", "localhost"})


def weakness(secret: str) -> str | None:
    """Returns why a secret is weak, without revealing it; None if it is not weak."""
    if _EXAMPLES.search(secret):
        return "it is, or contains, a well-known example"
    if len(secret) < LENGTH_MIN:
        return f"it has {len(secret)} characters, not {LENGTH_MIN} or more"
    if len(set(secret)) < DIFFERENT_MIN:
        return f"it has only {len(set(secret))} different characters"
    rest = _TYPED_RUN.sub("", secret)
    if len(rest) < LENGTH_MIN or len(set(rest)) < DIFFERENT_MIN:
        return "it is, or contains, a well-known example"
    return None


def is_local(host: str | None) -> bool:
    """Whether a host is this machine, so that traffic to it crosses no network."""
    if host is None or host in _LOCAL_HOSTS or host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def weakness_of_url(url: str, password: str | None = None) -> str | None:
    """Returns why a server's URL is unsafe; None if it is safe.

    Args:
        url: The server's URL.
        password: Its password, if it is not in the URL.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    found = parts.password or password
    weak = None if found is None else weakness(found)
    if weak is not None:
        return f"its password is weak: {weak}"
    # Drivers of Postgres look there when the URL has no host in its usual place.
    if is_local(parts.hostname or (options.get("host") if parts.scheme in _POSTGRES else None)):
        return None
    if found is None and parts.scheme in _WITH_PASSWORD:
        return "it has no password"
    return _unprotected(parts.scheme, options)


def _unprotected(scheme: str, options: Mapping[str, str]) -> str | None:
    """Returns why TLS does not protect the way to a server; None if it does."""
    if scheme in _WITHOUT_TLS:
        return f"it goes over the network without TLS: write {_WITHOUT_TLS[scheme]}"
    if scheme in _REDIS_BY_TLS and options.get("ssl_cert_reqs") == "none":
        return "it goes over the network without TLS that is verified: take ssl_cert_reqs=none out"
    if scheme in _REDIS_BY_TLS and options.get("ssl_check_hostname", "true").lower() != "true":
        return "it goes over the network without TLS that is verified: take ssl_check_hostname out"
    if scheme in _POSTGRES and options.get("sslmode") != "verify-full":
        return "it goes over the network without TLS that is verified: add sslmode=verify-full"
    return None

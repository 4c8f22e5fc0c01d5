"""Types of settings that check what they are given."""

import re
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr, field_validator

from chassis.redis_connection import check_url
from chassis.text import split_at_commas

_KEY = re.compile(r"[!-~]+")


def _fits_in_a_header(value: SecretStr) -> SecretStr:
    if not _KEY.fullmatch(value.get_secret_value()):
        raise ValueError("it has a space, a line break or another character that no key has")
    return value


BackendKey = Annotated[SecretStr, AfterValidator(_fits_in_a_header)]
"""The key of a server that is called. Libraries quote a header that they refuse, and so would the log."""


def _leads_to_redis(value: SecretStr) -> SecretStr:
    check_url(value.get_secret_value())
    return value


RedisUrl = Annotated[SecretStr, AfterValidator(_leads_to_redis)]


_PORT = re.compile(r"[0-9]{1,5}")
_PORT_MAX = 65_535


def check_readable(url: str) -> None:
    """Checks that host and port of a URL can be read, whatever its scheme.

    Programs that cannot read them say why with a part of the URL. Where a user or a password has a `/`, that
    part is the password's.

    Raises:
        ValueError: they cannot be read; the message has nothing of the URL.
    """
    scheme, slashes, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    hosts = authority.rpartition("@")[2].split(",")  # Of Postgres there may be several.
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts]
    # A path of HTTP may have an @; what follows a user, or is no HTTP, may not.
    may_have_at = scheme.lower() in ("http", "https") and ":" not in authority and "@" not in authority
    ends_early = "@" in rest[len(authority) :] and not may_have_at
    if (not slashes and "@" in url) or ends_early or not all(map(_is_port, ports)) or not _is_parsed(url):
        raise ValueError(
            "its host or port cannot be read: in a user or password write / ? # @ as %2F %3F %23 %40;"
            " ports go up to 65535"
        )


def _is_port(text: str) -> bool:
    return not text or (_PORT.fullmatch(text) is not None and int(text) <= _PORT_MAX)


def _is_parsed(url: str) -> bool:
    try:
        urlsplit(url)
    except ValueError:
        return False
    return True


def comma_separated(*fields: str) -> Callable[[Any], Any]:
    """Returns the validator of fields that are lists, written with commas; they need `NoDecode`.

    A validator of the class and not of the type: it has to come before `EnvironmentSettings` looks at URLs,
    which would take several for one.
    """
    return field_validator(*fields, mode="before")(_parts)


def _parts(value: object) -> object:
    return split_at_commas(value) if isinstance(value, str) else value


def _is_http(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in value:
        raise ValueError("it is not http://host or https://host, with or without a port and a path")
    return value


HttpUrl = Annotated[str, AfterValidator(_is_http)]
"""A URL of HTTP, with or without TLS."""


_HOST_AND_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")
_TARGET = re.compile(r"(?:dns|ipv4|ipv6|unix|unix-abstract|xds|google-c2p):\S+")


def _is_grpc_address(value: str) -> str:
    named = _HOST_AND_PORT.fullmatch(value)
    if named is None and not _TARGET.fullmatch(value):
        raise ValueError("it is neither host:port, such as user-service:50051, nor another target of gRPC")
    if named is not None and not 0 < int(named[1]) <= _PORT_MAX:
        raise ValueError("its port is not between 1 and 65535")
    return value


GrpcAddress = Annotated[str, AfterValidator(_is_grpc_address)]
"""Where a service answers gRPC: `host:port`, or a target with the scheme of one of gRPC's resolvers."""


def _is_origin(value: str) -> str:
    if "@" in value:
        raise ValueError("it is not an origin: no user belongs into it")
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{value!r} is not an origin, which is scheme://host or scheme://host:port")
    check_readable(value)
    if value != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(f"{value!r} is not an origin: it ends after host and port, without a /")
    return value


Origin = Annotated[str, AfterValidator(_is_origin)]
"""The origin of a page, as browsers name it. `null` is none: any page in a sandboxed frame has it."""

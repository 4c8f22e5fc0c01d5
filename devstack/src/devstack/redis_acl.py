"""Who may do what in Redis: a user per service, each with the commands and keys that it needs.

The one source of these rules: `make up` writes them into its Valkey's ACL file, and the files in
`k8s/backends` and `k8s/production` are held against them (`docs/operations.md`, "Redis").
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from devstack.files import write_private
from devstack.topology import AUTH, GATEWAY, HEALTH, KNOWLEDGE, SERVICES, USERS, VOICE

ADMIN = "admin"
"""Who may do everything: for the operator, and for tests."""

_CONNECT = "+auth +hello +ping +select +client|setname +client|setinfo"
_STREAM = "vestibule:events"
_HEARTBEATS = "vestibule:pulse"
"""Prefix of the keys of heartbeats (`chassis.events.heartbeat`)."""

_DEAD_LETTERS = "vestibule:dead-letters"
_REFUSED_EVENTS = "vestibule:refused-events"
_READ_HEARTBEATS = f"%R~{_HEARTBEATS}:{AUTH.name}"
_FOLLOW = f"%R~{_STREAM} {_READ_HEARTBEATS} +xread +xrange +info +time"


def _publishes_and_handles(service: str) -> str:
    """Returns the rules of a service that publishes events and handles those of others."""
    group = "+xreadgroup +xack +xclaim +xautoclaim +xpending +xgroup|create +xgroup|delconsumer"
    dead_letters = f"(~{_DEAD_LETTERS}:{service} +xadd +xlen +xrange +xdel)"
    refused = f"(%W~{_REFUSED_EVENTS}:{service} +set)"
    return (
        f"~{_STREAM} %W~{_HEARTBEATS}:{service} +xadd +unlink +xread +xrange +info +time {group}"
        f" +xinfo|groups +xinfo|consumers {dead_letters} {refused}"
    )


_OWN_RULES: Mapping[str, str] = {
    AUTH.name: _publishes_and_handles(AUTH.name),
    USERS.name: f"{_READ_HEARTBEATS} {_publishes_and_handles(USERS.name)}",
    KNOWLEDGE.name: f"{_READ_HEARTBEATS} {_publishes_and_handles(KNOWLEDGE.name)}",
    HEALTH.name: (f"%R~{_STREAM} %R~{_DEAD_LETTERS}:* %R~{_REFUSED_EVENTS}:* +info +xinfo|groups +xlen +get"),
    VOICE.name: f"{_FOLLOW} (%W~{_STREAM} +xadd)",
    GATEWAY.name: (
        f"{_FOLLOW}"
        " (~vestibule:limit:* ~vestibule:lease:* +eval +evalsha +script|load +time +hmget +hset +pexpire"
        " +zremrangebyscore +zcard +zadd +zrange)"
    ),
}
RULES: Mapping[str, str] = {
    service.name: f"{_CONNECT} {_OWN_RULES.get(service.name, _FOLLOW)}" for service in SERVICES
}
"""What each service may do, in the syntax of an ACL file; by default it follows revocations."""


def acl_file(passwords: Mapping[str, str]) -> str:
    """Returns an ACL file: no user without a password, the admin, and the services.

    Args:
        passwords: Of each user; only their SHA-256 is in the file.
    """
    lines = [
        "user default off nopass -@all resetkeys",
        f"user {ADMIN} on {_hash(passwords[ADMIN])} ~* &* +@all",
    ]
    lines += [f"user {name} on {_hash(passwords[name])} {rules}" for name, rules in RULES.items()]
    return "\n".join(lines) + "\n"


def kept_passwords(file: Path) -> dict[str, str]:
    """Reads the passwords of the users, and makes what is missing.

    Raises:
        OSError: The file cannot be read or written.
    """
    kept: dict[str, str] = json.loads(file.read_bytes()) if file.exists() else {}
    passwords = {name: secrets.token_urlsafe(24) for name in (ADMIN, *RULES)} | kept
    if passwords != kept:
        write_private(file, json.dumps(passwords, indent=2))
    return passwords


def as_user(url: str, name: str, password: str) -> str:
    """Returns the URL of Redis for a user."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name}:{password}@{address}"))


def _hash(password: str) -> str:
    return "#" + hashlib.sha256(password.encode()).hexdigest()

"""Whom an audit entry came from: kept beside the chain, so that it can be erased with the user.

Client addresses, user agents and request ids that a client chose are personal data, and what the chain
covers can never be removed. So an entry carries, among its details under `client_sha256`, only

    SHA-256( "vestibule audit client 1" || line feed || salt || JSON of ip, request_id and user_agent )

with 32 random bytes of salt and the JSON as in the chain's canonical form. Salt and values stand in a
table of their own. While they are there, the entry proves them; once they are erased, nothing can be
guessed from the hash. Entries of releases before this one have address and user agent in the chain.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

COMMITMENT = "client_sha256"
"""The detail that holds it."""

SALT_BYTES = 32
_PURPOSE = b"vestibule audit client 1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditClient:
    """Whom an entry came from; the request's id is there only where the client chose it."""

    ip: str
    user_agent: str
    request_id: str


def new_salt() -> bytes:
    """Returns a salt that nobody can guess."""
    return secrets.token_bytes(SALT_BYTES)


def commitment(salt: bytes, ip: str, user_agent: str, request_id: str) -> str:
    """Returns what commits to a client, in hexadecimal digits; `request_id` is the client's own choice."""
    fields = {"ip": ip, "request_id": request_id, "user_agent": user_agent}
    form = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return hashlib.sha256(_PURPOSE + salt + form).hexdigest()


def chained_request_id(request_id: str) -> str:
    """Returns a request id as the chain may have it: a UUID says nothing about anybody, other text may."""
    try:
        return request_id if str(UUID(request_id)) == request_id else ""
    except ValueError:
        return ""


def parted(details: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Returns details as the chain has them without the commitment, and the commitment; empty without one."""
    rest = dict(details)
    return rest, rest.pop(COMMITMENT, "")

"""The client of an audit entry, stored beside the chain so that it can be erased with the user.

Client addresses, user agents and request ids that a client chose are personal data, and what the chain
covers can never be removed. So an entry has, among its details as `client_sha256`, only

    SHA-256( "vestibule audit client 1" || line feed || salt || JSON of ip, request_id and user_agent )

with 32 random bytes of salt and the JSON as in the chain's canonical form. Salt and values are in a table
of their own. While they are there, the entry proves them; once they are erased, the hash reveals nothing.
Entries of older releases have address and user agent in the chain.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from chassis.identity.audit_client import AuditClient

COMMITMENT = "client_sha256"
"""The detail with the commitment."""

SALT_BYTES = 32
_PURPOSE = b"vestibule audit client 1\n"


class AuditClients(Protocol):
    """A service that keeps the clients of its audit entries."""

    async def audit_client(self, event_id: UUID) -> AuditClient | None:
        """Returns the client of an audit event; None once that is erased.

        Raises:
            Unavailable: the service is unreachable; try again.
        """
        ...


def new_salt() -> bytes:
    """Returns a random salt."""
    return secrets.token_bytes(SALT_BYTES)


def commitment(salt: bytes, ip: str, user_agent: str, request_id: str) -> str:
    """Returns the commitment to a client in hexadecimal; `request_id` only if the client chose it."""
    fields = {"ip": ip, "request_id": request_id, "user_agent": user_agent}
    form = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return hashlib.sha256(_PURPOSE + salt + form).hexdigest()


def parted(details: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Splits an entry's details in the chain into the rest and the commitment, which may be empty."""
    rest = dict(details)
    return rest, rest.pop(COMMITMENT, "")

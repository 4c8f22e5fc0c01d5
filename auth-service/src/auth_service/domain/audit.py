"""The audit chain: its entries, their canonical form and their hashes.

Canonical form, version 1: the JSON object of the fields below, keys sorted, no white space,
UTF-8 with no escapes beyond JSON's own; ids in lower case; absent ids null; the time in RFC
3339 UTC with six digits of a second and `Z`. With `||` for joining bytes:

    hash(n) = SHA-256( hash(n - 1) || n as 8 bytes, big-endian || canonical form of entry n )

and hash(0) is 32 zero bytes. Postgres computes it where the entry is inserted, under the
chain's lock; `chain_hash` computes the same to verify.

In the form of an entry whose client is stored beside the chain (`audit_client`), `ip` and `user_agent` are
empty, `request_id` is there only if it is a UUID, and `details` holds the commitment.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from chassis.dataclass import dataclass
from chassis.identity.audit_client import neutral_request_id
from chassis.identity.caller import Caller
from chassis.ids import uuid7

from auth_service.domain.audit_client import COMMITMENT, commitment, new_salt

FORM = 1
GENESIS = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One action. It identifies users by id only.

    Attributes:
        id: UUIDv7; an entry is written once per id.
        occurred_at: When it happened, UTC.
        actor_id: Who acted; None when unknown.
        subject_id: Whom it affected; None when unknown.
        action: Such as `auth.login`.
        outcome: `success`, `refused` or `failed`.
        details: More about the action; never personal data, never a secret.
        commitment: Commits to the client beside the chain; empty when the chain holds the client, or there
            is none.
        salt: Of the commitment; empty once the client is erased.
    """

    occurred_at: datetime
    action: str
    outcome: str
    id: UUID = field(default_factory=uuid7)
    actor_id: UUID | None = None
    subject_id: UUID | None = None
    ip: str = ""
    user_agent: str = ""
    request_id: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    commitment: str = field(default="", compare=False)
    salt: bytes = field(default=b"", compare=False)

    def committed(self) -> "AuditEntry":
        """Returns the entry with its client moved beside the chain; itself when it has none."""
        own_request_id = "" if neutral_request_id(self.request_id) else self.request_id
        if self.commitment or not (self.ip or self.user_agent or own_request_id):
            return self
        salt = new_salt()
        promise = commitment(salt, self.ip, self.user_agent, own_request_id)
        return replace(self, commitment=promise, salt=salt)

    @property
    def is_client_true(self) -> bool:
        """Whether the client beside the chain matches the commitment, or is erased completely."""
        if not self.commitment:
            return not self.salt
        own_request_id = "" if neutral_request_id(self.request_id) else self.request_id
        if not self.salt:
            return not (self.ip or self.user_agent or own_request_id)
        return self.commitment == commitment(self.salt, self.ip, self.user_agent, own_request_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedEntry:
    """An entry in its place in the chain."""

    sequence: int
    hash: bytes
    entry: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The entry after which a chain or an export begins; by default, before the first one."""

    sequence: int = 0
    hash: bytes = GENESIS


BEGINNING = Anchor()
"""Before the first entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries to list; None does not restrict."""

    actor_id: UUID | None = None
    subject_id: UUID | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def canonical_form(entry: AuditEntry) -> bytes:
    """Returns the bytes that the entry's hash covers."""
    beside = bool(entry.commitment)
    fields = {
        "form": FORM,
        "id": str(entry.id),
        "occurred_at": entry.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "actor_id": None if entry.actor_id is None else str(entry.actor_id),
        "subject_id": None if entry.subject_id is None else str(entry.subject_id),
        "action": entry.action,
        "outcome": entry.outcome,
        "ip": "" if beside else entry.ip,
        "user_agent": "" if beside else entry.user_agent,
        "request_id": neutral_request_id(entry.request_id) if beside else entry.request_id,
        "details": chained_details(entry),
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def chained_details(entry: AuditEntry) -> dict[str, str]:
    """Returns the entry's details as in the chain, with the commitment."""
    return dict(entry.details) | ({COMMITMENT: entry.commitment} if entry.commitment else {})


def chain_hash(previous: bytes, sequence: int, entry: AuditEntry) -> bytes:
    """Returns the hash of an entry at its place in the chain."""
    return hashlib.sha256(previous + sequence.to_bytes(8, "big") + canonical_form(entry)).digest()


def audited(
    caller: Caller,
    at: datetime,
    action: str,
    outcome: str = "success",
    *,
    subject_id: UUID | None = None,
    actor_id: UUID | None = None,
    **details: str,
) -> AuditEntry:
    """Returns the entry of a caller's action.

    Args:
        caller: Who called; the actor, unless `actor_id` is given.
        at: When.
        action: The action.
        outcome: `success`, `refused` or `failed`.
        subject_id: Whom it affected; the actor when None.
        actor_id: The user, where the call itself proves who that is.
        details: More about the action.
    """
    actor = actor_id or caller.user_id
    return AuditEntry(
        occurred_at=at,
        action=action,
        outcome=outcome,
        actor_id=actor,
        subject_id=subject_id or actor,
        ip=caller.client_address,
        user_agent=caller.user_agent,
        request_id=caller.request_id,
        details=details,
    )


class AuditTrail(Protocol):
    """The hash chain. Append last in a transaction: it holds the chain's lock."""

    async def append(self, entry: AuditEntry) -> None:
        """Adds an entry at the end of the chain; does nothing if its id is there already."""
        ...

    async def page(
        self, wanted: AuditFilter, *, limit: int, offset: int = 0, below: int | None = None
    ) -> Sequence[ChainedEntry]:
        """Returns entries, the newest first; with `below`, those with a smaller sequence."""
        ...

    async def count(self, wanted: AuditFilter) -> int:
        """Returns how many entries match the filter."""
        ...

    async def after(self, sequence: int, limit: int) -> Sequence[ChainedEntry]:
        """Returns entries after a sequence number, the oldest first."""
        ...

    async def prune(self, through: int) -> int:
        """Removes all entries up to a signed head's, and the heads before it.

        Returns:
            How many entries.

        Raises:
            Forbidden: the role of the serving process may not do that.
        """
        ...
